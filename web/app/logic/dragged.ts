/** Entries on their way to another directory, in this filesystem or the other. */

import type { Where } from "../../protocol";

const TYPE = "application/x-emerge-entry";

export interface Dragged {
  where: Where;
  /** The one that was taken first. */
  paths: [string, ...string[]];
}

let current: Dragged | null = null; // a drag's data cannot be read before it is dropped

export function startDrag(event: DragEvent, where: Where, paths: string[]): void {
  const [first, ...others] = paths;
  if (event.dataTransfer === null || first === undefined) return;
  current = { where, paths: [first, ...others] };
  event.dataTransfer.setData(TYPE, first);
  event.dataTransfer.setData("text/plain", paths.join("\n"));
  event.dataTransfer.effectAllowed = "copyMove";
}

/** What is being dragged, when it is entries. */
export function draggedEntries(event: DragEvent): Dragged | null {
  return event.dataTransfer?.types.includes(TYPE) ? current : null;
}
