/** Which changes a live cell is to run again for. */

import type { Event as KernelEvent, Trace } from "../../protocol";

type Change = Extract<KernelEvent, { event: "change" }>;

export const DEEPEST = 8; // live runs that caused each other, until they are stopped
const OWN = 1_500; // ms after a run in which a change without a revision, where it wrote, counts as its own

/** Live runs that made revisions, by how many live runs led to them: a change by the user's hand is 0. */
export class Generations {
  #of = new Map<string, number>();

  note(made: readonly string[], generation: number): void {
    for (const revision of made) this.#of.set(revision, generation);
    for (const old of [...this.#of.keys()].slice(0, -5_000)) this.#of.delete(old);
  }

  of(revision: string): number {
    return this.#of.get(revision) ?? 0;
  }
}

/** Whether a run that left this trace, `ago` ms before, read what has changed, and did not change it itself. */
export function concerns(trace: Trace, { where, path, pointer }: Change, ago: number): boolean {
  if (pointer !== null && trace.made.includes(pointer.revision)) return false;
  if (pointer === null && ago < OWN && trace.writes.some((wrote) => wrote.where === where && wrote.path === path)) return false;
  return trace.reads.some((read) => read.where === where && (isWithin(read.path, path) || isWithin(path, read.path)));
}

/** Whether a path is at another one or below it; `/a/b.field` leads into the object `/a/b`. */
function isWithin(path: string, above: string): boolean {
  if (path === above || above === "/") return true;
  return path.startsWith(above) && (path[above.length] === "/" || path[above.length] === ".");
}
