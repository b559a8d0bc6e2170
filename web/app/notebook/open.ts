/** The notebooks and versions of them that were opened in this page: what is unsaved or running in them goes on when others are looked at. */

import type { Where } from "../../protocol";
import { Kept } from "../state/kept";
import type { Workspace } from "../state/workspace.svelte";
import { Notebook } from "./notebook.svelte";

const opened = new WeakMap<Workspace, Kept<Notebook>>();

export function notebookOf(workspace: Workspace, where: Where, path: string, version: number): Notebook {
  const kept = opened.get(workspace) ?? new Kept((there, at) => {
    const [version = "0", ...path] = at.split(":");
    return new Notebook(workspace.session, workspace.console, there, path.join(":"), Number(version));
  });
  opened.set(workspace, kept);
  return kept.of(where, `${version}:${path}`);
}
