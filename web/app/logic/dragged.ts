/** An entry of a tree on its way to another directory, in this filesystem or the other. */

import type { Where } from "../../protocol";

const TYPE = "application/x-emerge-entry";

export interface Dragged {
  where: Where;
  path: string;
}

let current: Dragged | null = null; // a drag's data cannot be read before it is dropped

export function startDrag(event: DragEvent, where: Where, path: string): void {
  if (event.dataTransfer === null) return;
  current = { where, path };
  event.dataTransfer.setData(TYPE, path);
  event.dataTransfer.setData("text/plain", path);
  event.dataTransfer.effectAllowed = "copyMove";
}

/** What is being dragged, when it is an entry. */
export function draggedEntry(event: DragEvent): Dragged | null {
  return event.dataTransfer?.types.includes(TYPE) ? current : null;
}
