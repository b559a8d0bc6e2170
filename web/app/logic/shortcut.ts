/** Keyboard shortcuts as text: "Ctrl+Shift+K". "Ctrl" is Command on a Mac, too. */

export interface Stroke {
  key: string;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
  shiftKey: boolean;
}

const ALONE = ["Control", "Shift", "Alt", "Meta", "Dead", "Process", "Unidentified"];

/** The text of a stroke; "" while only modifiers are held. A sign needs no Shift in its name: it is "?", not "Shift+?". */
export function nameStroke({ key, ctrlKey, metaKey, altKey, shiftKey }: Stroke): string {
  if (ALONE.includes(key)) return "";
  const letter = key.length === 1 ? key.toUpperCase() : key;
  const shifted = shiftKey && (key.length > 1 || letter !== letter.toLowerCase());
  return [ctrlKey || metaKey ? "Ctrl" : "", altKey ? "Alt" : "", shifted ? "Shift" : "", letter === " " ? "Space" : letter].filter(Boolean).join("+");
}

/** Whether a stroke is text where text is typed: it then is no shortcut. */
export function isTyped(name: string): boolean {
  return !/^(Ctrl|Alt)\+/.test(name) && !/^F\d+$/.test(name);
}

/** The keys of all commands: the user's own over those that they come with. What is there twice is the first one's. */
export function bind(commands: { id: string; keys: string }[], own: Record<string, string>): Map<string, string> {
  const bound = new Map<string, string>();
  for (const { id, keys } of commands) {
    const name = own[id] ?? keys;
    if (name !== "" && !bound.has(name)) bound.set(name, id);
  }
  return bound;
}

/** What was kept of the user's own keys; anything else is none. */
export function readKeys(text: string | null): Record<string, string> {
  try {
    const data: unknown = JSON.parse(text ?? "{}");
    if (typeof data !== "object" || data === null || Array.isArray(data)) return {};
    return Object.fromEntries(Object.entries(data).filter((entry): entry is [string, string] => typeof entry[1] === "string"));
  } catch {
    return {};
  }
}
