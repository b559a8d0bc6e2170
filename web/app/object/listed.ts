/** What is known of a directory's entries. */

import type { Failure } from "../../protocol";
import type { Branch } from "../logic/tree";

export interface Listed {
  known: boolean;
  listed: boolean;
  failure: Failure | null;
  entries: Branch[];
  /** There are, or may be, more than these. */
  more: boolean;
  /** Nodes that are away, and whose part is left out. */
  missing: string[];
  /** A copy answered, and the entries may have changed since this moment; "": its owner did. */
  stale: string;
}

export function readBranch(branch: Branch | undefined): Listed {
  const listed = branch?.children != null;
  return {
    known: branch !== undefined,
    listed,
    failure: branch?.failure ?? null,
    entries: branch?.children ?? [],
    more: !listed || branch.cursor !== "" || branch.start !== "",
    missing: branch?.missing ?? [],
    stale: branch?.stale ?? "",
  };
}
