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

export interface Bindable {
  id: string;
  /** That it comes with. */
  keys: string;
}

/** The keys of all commands: the user's own before those that they come with. What is there twice is the first one's. */
export function bind(commands: readonly Bindable[], own: Record<string, string>): Map<string, string> {
  const bound = new Map<string, string>();
  for (const mine of [true, false]) {
    for (const { id, keys } of commands) {
      const name = own[id] ?? keys;
      if (id in own === mine && name !== "" && !bound.has(name)) bound.set(name, id);
    }
  }
  return bound;
}

/** The user's own keys after a command was given others ("": none; null: those that it comes with): what has had them has none. */
export function rebind(commands: readonly Bindable[], own: Record<string, string>, id: string, keys: string | null): Record<string, string> {
  const { [id]: _, ...others } = own;
  if (keys === null) return others;
  const holder = keys === "" ? undefined : bind(commands, others).get(keys);
  return { ...others, ...(holder === undefined || holder === id ? {} : { [holder]: "" }), [id]: keys };
}

const USED: Record<string, string> = {
  "Ctrl+S": "saves", "Ctrl+Z": "undoes", "Ctrl+C": "copies", "Ctrl+X": "cuts", "Ctrl+V": "pastes", "Ctrl+A": "selects all",
  Enter: "opens and chooses", "Shift+Enter": "runs a cell", "Ctrl+Enter": "runs a cell", "Alt+Enter": "runs a cell", Space: "presses a button",
  Tab: "goes to the next field", "Shift+Tab": "goes to the field before", F2: "renames", Delete: "removes", Home: "goes to the first", End: "goes to the last",
  ArrowUp: "moves up", ArrowDown: "moves down", ArrowLeft: "folds", ArrowRight: "unfolds", PageUp: "moves up", PageDown: "moves down",
};

/** What a stroke does in this page whatever commands there are; "" if nothing. */
export function useOf(name: string): string {
  return Object.hasOwn(USED, name) ? (USED[name] as string) : "";
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
