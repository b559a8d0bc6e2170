/** What the page does that changes something: each deed has an id until it is known what came of it. Asked for once more
 *  with the same arguments it has the same id, so that what was done without an answer is answered then, and not done
 *  twice. */

import type { ChangeReport, Deed, DeedKind, Kind } from "./protocol";

const KINDS: Record<DeedKind, true> = { save: true, change: true, graphql: true, index: true, loadsheet: true, keepnotebook: true, makenotebook: true, readipynb: true, repair: true, run: true, runall: true, upload: true };
/** Of these the same words, while the first are under way, mean one more; of others, the same. */
const REPEATED: ReadonlySet<Kind> = new Set<Kind>(["graphql", "run", "runall"]);
const KEPT = "emerge.deeds"; // of this tab: a reload does not forget what it asked for
const LONGEST = 10_000; // characters of a deed that is kept over a reload
/** Milliseconds after which the same words are another deed. */
const OLD = 600_000;

interface Open {
  id: string;
  asked: number; // when, last
}

export class Deeds {
  #open: Map<string, Open>;
  /** Those that this page waits for now. */
  #going = new Set<string>();

  constructor() {
    this.#open = new Map(readKept());
  }

  /** A request is about to be made; its arguments without what differs each time. Null: it is no deed. */
  begin(kind: Kind, args: object): { deed: Deed; settle: (lost: boolean) => void } | null {
    if (!(kind in KINDS)) return null;
    let key = JSON.stringify([kind, args]);
    for (let more = 1; REPEATED.has(kind) && this.#going.has(key); more++) key = JSON.stringify([kind, args, more]);
    const before = this.#open.get(key);
    const again = before !== undefined && Date.now() - before.asked < OLD;
    const id = again ? before.id : crypto.randomUUID();
    this.#open.set(key, { id, asked: Date.now() });
    this.#going.add(key);
    this.#keep();
    const settle = (lost: boolean): void => {
      this.#going.delete(key);
      if (lost || this.#open.get(key)?.id !== id) return;
      this.#open.delete(key);
      this.#keep();
    };
    return { deed: { id, again }, settle };
  }

  #keep(): void {
    const kept = [...this.#open].filter(([key]) => key.length <= LONGEST);
    try {
      sessionStorage.setItem(KEPT, JSON.stringify(kept));
    } catch {
      // a browser that keeps nothing: then a reload forgets it
    }
  }
}

function readKept(): [string, Open][] {
  try {
    return JSON.parse(sessionStorage.getItem(KEPT) ?? "[]") as [string, Open][];
  } catch {
    return [];
  }
}

/** Whether an answer leaves open what became of something. */
export function leavesOpen(answer: unknown): boolean {
  const { failed = 0, failures } = answer as Partial<ChangeReport>;
  if (failures === undefined) return false;
  return failed > failures.length || failures.some(({ failure }) => failure.code === "Unavailable");
}
