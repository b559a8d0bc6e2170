/** Keys of a cell that has the keyboard itself, as in Jupyter. */

export type CellAction =
  | "up" | "down" | "edit" | "leave" | "run" | "advance" | "insert" | "above" | "below" | "remove" | "undo" | "fold" | "code" | "markdown" | "moveUp" | "moveDown" | "duplicate"; // prettier-ignore

const PLAIN: Record<string, CellAction> = {
  ArrowUp: "up", k: "up", ArrowDown: "down", j: "down", Enter: "edit", a: "above", b: "below", x: "remove", Delete: "remove", z: "undo", o: "fold", y: "code", m: "markdown", c: "duplicate",
}; // prettier-ignore

type Pressed = Pick<KeyboardEvent, "key" | "shiftKey" | "ctrlKey" | "metaKey" | "altKey">;

/** What a key does; null: nothing here. */
export function keyAction({ key, shiftKey, ctrlKey, metaKey, altKey }: Pressed): CellAction | null {
  if (key === "Enter" && shiftKey) return "advance";
  if (key === "Enter" && altKey) return "insert";
  if (key === "Enter" && (ctrlKey || metaKey)) return "run";
  if (altKey && key === "ArrowUp") return "moveUp";
  if (altKey && key === "ArrowDown") return "moveDown";
  if (shiftKey || ctrlKey || metaKey || altKey) return null;
  return PLAIN[key] ?? null;
}
