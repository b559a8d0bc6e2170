/** New notebooks: empty, of the console's cells, or of an `.ipynb` file. They are kept where `fs` is. */

import type { NotebookCell, Pointer } from "../../protocol";
import { fullPath } from "../logic/path";
import { EMPTY, freshId, type CellItem } from "../state/cells.svelte";
import type { Workspace } from "../state/workspace.svelte";

const DIRECTORY = "/notebooks";

export async function makeNotebook(workspace: Workspace, cells: NotebookCell[]): Promise<void> {
  const { console, session } = workspace;
  const where = console.where;
  open(workspace, await session.port.call("makenotebook", { where, path: DIRECTORY, name: "untitled", cells, requirements: [] }));
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
