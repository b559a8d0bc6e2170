/** What helps while a cell is written: asks the kernel that knows, and the page's own while that one computes. */

import type { AssistAsk, AssistView, Where } from "../../protocol";
import type { Session } from "./session.svelte";

const PATIENCE = 250; // ms that cells' names are waited for while a cell runs
const SLOW = 4_000; // and while none does

/** Answers about the text before and behind the cursor; null: nobody can tell now. */
export type Assist = (ask: AssistAsk, before: string, after: string) => Promise<AssistView | null>;

export class Assistant {
  #session: Session;
  #where: () => Where;
  #earlier: () => readonly string[];
  #asked = 0; // questions that the cells' kernel has not answered

  /** `earlier`: the texts of cells, which tell names while Python computes. */
  constructor(session: Session, where: () => Where, earlier: () => readonly string[]) {
    this.#session = session;
    this.#where = where;
    this.#earlier = earlier;
  }

  /** About a cell. */
  readonly cell: Assist = async (ask, before, after) => {
    const { port, cells } = this.#session;
    const busy = cells === "busy";
    if (this.#session.ready && !(busy && this.#asked > 0)) {
      this.#asked += 1;
      const asked = port.call("assist", { ask, before, after }).finally(() => (this.#asked -= 1));
      const found = await soon(asked, busy ? PATIENCE : SLOW);
      if (found !== null || !busy) return found;
    }
    if (!port.apart || this.#session.kernel !== "ready") return null;
    const text = [...this.#earlier(), before].join("\n");
    return soon(port.call("sketch", { ask, before: text, after, where: this.#where(), path: "" }), SLOW);
  };

  /** About the expression of a search. */
  search(where: Where, path: string): Assist {
    return (ask, before, after) => soon(this.#session.port.call("sketch", { ask, before, after, where, path }), SLOW);
  }
}

/** The answer, or null when it fails or takes longer. */
function soon<T>(asked: Promise<T>, milliseconds: number): Promise<T | null> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(null), milliseconds);
    asked.then(
      (found) => (clearTimeout(timer), resolve(found)),
      () => (clearTimeout(timer), resolve(null)),
    );
  });
}
