/** What made a version, where a cell did: `cell ab12 of cluster:/notebooks/x@3`. */

import type { Where } from "../../protocol";

export interface Cause {
  where: Where;
  /** Of the notebook, as it was then. */
  path: string;
  cell: string;
  /** Of the notebook; 0: its text was not saved. */
  version: number;
}

export function formatCause({ where, path, cell, version }: Cause): string {
  return `cell ${cell} of ${where}:${path}@${version}`;
}

export function parseCause(text: string): Cause | null {
  const match = /^cell (\S+) of (local|cluster):(\/[\s\S]*)@(\d+)$/.exec(text);
  if (match === null) return null;
  return { cell: match[1]!, where: match[2] === "local" ? "local" : "cluster", path: match[3]!, version: Number(match[4]) };
}
