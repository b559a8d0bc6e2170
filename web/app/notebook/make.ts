/** New notebooks: empty, of the console's cells, or of an `.ipynb` file. They are kept where `fs` is. */

import type { NotebookCell, Pointer } from "../../protocol";
import { fullPath } from "../logic/path";
import { EMPTY, freshId, type CellItem } from "../state/cells.svelte";
import type { Workspace } from "../state/workspace.svelte";

const DIRECTORY = "/notebooks";

/** Cells that were asked to be made a notebook, and what they are without their new ids: asked for again, since no answer
 *  came, they have the same ids, by which it is known for the same notebook. */
let unanswered: { of: string; cells: NotebookCell[] } | null = null;

export async function makeNotebook(workspace: Workspace, fresh: NotebookCell[]): Promise<void> {
  const { console, session } = workspace;
  const where = console.where;
  const of = JSON.stringify(fresh.map((cell) => ({ ...cell, id: "" })));
  const { cells } = (unanswered = unanswered?.of === of ? unanswered : { of, cells: fresh });
  const pointer = await session.port.call("makenotebook", { where, path: DIRECTORY, name: "untitled", cells, requirements: [] });
  unanswered = null;
  open(workspace, pointer);
}

export async function importNotebook(workspace: Workspace, file: File): Promise<void> {
  const { console, session } = workspace;
  const name = file.name.replace(/\.ipynb$/i, "") || "untitled";
  open(workspace, await session.port.call("readipynb", { where: console.where, path: DIRECTORY, name, text: await file.text() }));
}

/** The console's cells with their outputs; one empty cell where there are none. */
export function cellsOf(items: readonly CellItem[]): NotebookCell[] {
  return items.length > 0 ? items.map((item) => ({ ...item.keep(), id: freshId() })) : [{ ...EMPTY, id: freshId() }];
}

function open({ console, navigation }: Workspace, pointer: Pointer): void {
  navigation.open(console.where, fullPath(pointer), 0, "notebook");
}
