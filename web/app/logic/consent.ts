/** The keys of code that may run here, as they are kept. */

const KEPT = 2000; // the newest

export function readKeys(text: string | null): string[] {
  try {
    const keys: unknown = JSON.parse(text ?? "[]");
    return Array.isArray(keys) ? keys.filter((key) => typeof key === "string" && /^\+?[0-9a-f]{16,}$/.test(key)) : [];
  } catch {
    return [];
  }
}

/** What may run in the tab itself may run closed in too, so that one key is enough. */
export function addKeys(known: string[], fresh: string[]): string[] {
  const keys = new Set(known);
  for (const key of fresh) {
    if (keys.has(`+${key}`)) continue;
    keys.delete(key.replace(/^\+/, ""));
    keys.delete(key);
    keys.add(key);
  }
  return [...keys].slice(-KEPT);
}

/** Whether all of these may run, by what is kept. */
export function covers(known: string[], keys: string[]): boolean {
  return keys.length > 0 && keys.every((key) => known.includes(key) || known.includes(`+${key}`));
}
