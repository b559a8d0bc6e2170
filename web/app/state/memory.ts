/** Small texts that survive a reload. A browser that keeps none (private windows, full storage) is no failure. */

const PREFIX = "emerge.";

/** What keeps them: the browser, or this tab alone. */
type Keeper = "browser" | "tab";

function storage(keeper: Keeper): Storage {
  return keeper === "tab" ? sessionStorage : localStorage;
}

export function recall(name: string, keeper: Keeper = "browser"): string | null {
  try {
    return storage(keeper).getItem(PREFIX + name);
  } catch {
    return null;
  }
}

/** Whether it was kept. */
export function remember(name: string, text: string, keeper: Keeper = "browser"): boolean {
  try {
    storage(keeper).setItem(PREFIX + name, text);
    return true;
  } catch {
    return false;
  }
}
