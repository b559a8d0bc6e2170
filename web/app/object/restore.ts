/** A version that is stored again as the newest, and opened. */

import type { ObjectView } from "../../protocol";
import { fullPath } from "../logic/path";
import type { Workspace } from "../state/workspace.svelte";

export async function restoreVersion({ changes, navigation, session }: Workspace, { pointer, where }: ObjectView, version: number): Promise<void> {
  const path = fullPath(pointer);
  const made = await changes.one(`Restored version ${version} of ${pointer.name}`, where, { change: "restore", path, version });
  if (made !== null) session.saved(where, path, made);
  navigation.open(where, path);
}
