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
    const stored = ask === "complete" ? storedIn(before, after) : null;
    if (stored !== null) {
      const where = stored.of === "fs" ? this.#where() : stored.of;
      const found = await this.search(where, stored.path)(ask, stored.text, "");
      if (found !== null && found.items.length > 0) return found;
    }
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

/** The end of a text that is a field of `o`, or the field of one. */
export const FIELD = /(^|[^\p{L}\p{N}_.])o\.[\p{L}\p{N}_.]*$/u;

const SEARCH = /\ba?(fs|local|cluster)\.(?:search|count|explain|searchpages)\(\s*(?:lambda\s+([\p{L}\p{N}_]+)\s*:|(["']))(.*)$/u;
const GOT = /\ba?(fs|local|cluster)\.getobject\(\s*(["'])(\/[^"'\n]*)\2\s*\)\.([\p{L}\p{N}_]*)$/u;
const PATH = /^[^)\n]*?,\s*(?:path\s*=\s*)?(["'])(\/[^"'\n]*)\1/;

/** What is written at the end of a cell about stored objects, of which their classes tell more than Python does: `text` is
 *  an expression over `o`, which is any object at or below `path`. Null: something else. */
export function storedIn(before: string, after: string): { of: "fs" | Where; path: string; text: string } | null {
  const line = before.slice(before.lastIndexOf("\n") + 1);
  const got = GOT.exec(line);
  if (got !== null) return { of: got[1] as "fs" | Where, path: got[3] as string, text: `o.${got[4]}` };
  const search = SEARCH.exec(line);
  if (search === null) return null;
  const [, of, name = "o", quote, rest] = search as unknown as [string, "fs" | Where, string | undefined, string | undefined, string];
  if (quote !== undefined && rest.includes(quote)) return null; // the text has ended
  let depth = 0;
  for (const sign of rest.replace(/(["'])(?:\\.|(?!\1).)*\1/g, "")) {
    depth += Number("([{".includes(sign)) - Number(")]}".includes(sign));
    if (depth < 0 || (depth === 0 && sign === "," && quote === undefined)) return null; // so has the lambda
  }
  const text = rest.replace(new RegExp(`(?<![\\p{L}\\p{N}_.])${name}(?=\\.)`, "gu"), "o");
  return FIELD.test(text) ? { of, path: PATH.exec(after)?.[2] ?? "/", text } : null;
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
