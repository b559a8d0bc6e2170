/** The rows of a table: as many pages of them as are near those in sight, wherever that is among all. */

import type { Failure, SearchErrors, TableClass, TablePage, TableQuestion, TableRow } from "../../protocol";
import { earlier } from "../logic/away";
import { toFailure } from "../logic/failure";
import { fullPath } from "../logic/path";
import { NO_ERRORS } from "../logic/search";
import type { Port } from "../port";

export const PAGE = 200;
const KEPT = 12; // pages

export class RowSource {
  /** The rows that are read around those in sight: from `start` on. */
  rows = $state.raw<TableRow[]>([]);
  start = $state(0);
  /** How many there are, as far as that is known. */
  count = $state(0);
  /** Whether `count` is all of them. */
  counted = $state(false);
  classes = $state.raw<TableClass[]>([]);
  errors = $state.raw<SearchErrors>(NO_ERRORS);
  scanned = $state(0);
  missing = $state.raw<string[]>([]);
  stale = $state("");
  milliseconds = $state(0);
  failure = $state.raw<Failure | null>(null);
  state = $state<"new" | "busy" | "done">("new");
  /** What the rows answer. */
  asked = $state.raw<TableQuestion | null>(null);
  /** Fields beyond the first ones that rows are to have. */
  fields: string[] = [];
  #port: Port;
  #pages = new Map<number, TableRow[]>();
  /** The cursor of each page; undefined: only the page before tells it. */
  #cursors: (string | undefined)[] = [""];
  #turn = 0;
  #window: [number, number] = [0, 0];
  #reading: Promise<void> | null = null;

  #onother: () => void;

  /** `onother` is told when the rows begin to answer another question than before, in whatever order. */
  constructor(port: Port, onother: () => void = () => undefined) {
    this.#port = port;
    this.#onother = onother;
  }

  /** Ask a question. With `keep`, what was shown stays until the answer is there; a failure to read it is returned only. */
  async ask(question: TableQuestion, keep = false): Promise<Failure | null> {
    const turn = ++this.#turn;
    this.state = "busy";
    if (!keep) this.#clear();
    const started = performance.now();
    try {
      const first = await this.#page(question, "");
      if (turn !== this.#turn) return null;
      const before = this.asked?.text === question.text && first.cursor !== "" ? this.count : 0;
      this.#clear();
      this.count = before; // in another order they are about as many
      if (this.asked?.text !== question.text) this.#onother();
      this.asked = question;
      this.#put(0, first);
      this.errors = first.errors;
      this.scanned = first.scanned;
      this.missing = first.missing;
      this.stale = first.stale;
      this.#show();
    } catch (error) {
      if (turn !== this.#turn) return null;
      this.state = "done";
      const failure = toFailure(error);
      if (!keep) this.failure = failure;
      return failure;
    }
    this.milliseconds = performance.now() - started;
    this.state = "done";
    if (this.#cursors[1] === undefined) this.#end(this.#pages.get(0)?.length ?? 0);
    else await this.#count(question, turn);
    void this.#read();
    return null;
  }

  /** Read again what is shown, where something has changed. */
  async refresh(): Promise<void> {
    if (this.asked === null || this.state === "busy") return; // what is being asked now is new
    const turn = ++this.#turn;
    const question = this.asked;
    try {
      const first = await this.#page(question, "");
      if (turn !== this.#turn) return;
      this.#pages.clear();
      this.#cursors = [""];
      this.#put(0, first);
      this.missing = first.missing;
      this.stale = first.stale;
      this.failure = null;
      if (this.#cursors[1] === undefined) this.#end(first.rows.length);
      else await this.#count(question, turn);
      if (turn === this.#turn) await this.#read();
    } catch (error) {
      if (turn === this.#turn) this.failure = toFailure(error);
    }
  }

  /** These rows are in sight. */
  look(first: number, last: number): void {
    this.#window = [first, last];
    void this.#read();
  }

  /** The rows from one index to another, as far as they are read. */
  between(first: number, last: number): [key: string, row: TableRow][] {
    const found: [string, TableRow][] = [];
    for (let index = first; index <= last; index++) {
      const row = this.#pages.get(Math.floor(index / PAGE))?.[index % PAGE];
      if (row !== undefined) found.push([fullPath(row.pointer), row]);
    }
    return found;
  }

  /** All rows, page after page, to do something with each. */
  async *all(): AsyncGenerator<TableRow> {
    const question = this.asked; // another may be asked meanwhile
    if (question === null) return;
    for (let cursor = ""; ; ) {
      const page = await this.#page(question, cursor);
      yield* page.rows;
      cursor = page.cursor;
      if (cursor === "") return;
    }
  }

  #clear(): void {
    this.#pages.clear();
    this.#cursors = [""];
    this.rows = [];
    this.start = this.count = this.scanned = this.milliseconds = 0;
    this.counted = false;
    this.errors = NO_ERRORS;
    this.missing = [];
    this.stale = "";
    this.failure = null;
  }

  /** Read a page to its end: one of large objects, or with some that may not be seen, comes in parts. */
  async #page(question: TableQuestion, cursor: string): Promise<TablePage> {
    const call = (from: string, limit: number): Promise<TablePage> =>
      this.#port.call("rows", { ...question, cursor: from, limit, fields: this.fields });
    const page = await call(cursor, PAGE);
    while (page.cursor !== "" && page.rows.length < PAGE) {
      const more = await call(page.cursor, PAGE - page.rows.length);
      page.rows.push(...more.rows);
      page.classes.push(...more.classes);
      page.cursor = more.cursor;
      page.scanned += more.scanned;
      page.missing = [...new Set([...page.missing, ...more.missing])];
      page.stale = earlier(page.stale, more.stale);
    }
    return page;
  }

  async #count(question: TableQuestion, turn: number): Promise<void> {
    try {
      const pages = await this.#port.call("pages", { ...question, limit: PAGE });
      if (turn !== this.#turn) return;
      if (pages.cursors.length > 0) this.#cursors = pages.cursors;
      this.errors = pages.errors;
      this.scanned = Math.max(this.scanned, pages.scanned);
      this.#end(pages.count);
    } catch {
      // an older node, or the registry: the rows come page after page all the same
    }
  }

  #end(count: number): void {
    this.count = count;
    this.counted = true;
  }

  #put(number: number, page: TablePage): void {
    this.#pages.delete(number);
    this.#pages.set(number, page.rows);
    if (this.#cursors[number + 1] === undefined && page.cursor !== "") this.#cursors[number + 1] = page.cursor;
    for (const old of this.#pages.keys()) if (this.#pages.size > KEPT && old !== number) this.#pages.delete(old);
    const seen = number * PAGE + page.rows.length;
    if (!this.counted) this.count = Math.max(this.count, page.cursor === "" ? seen : seen + 1);
    if (!this.counted && page.cursor === "") this.#end(seen);
    this.classes = mergeClasses(this.classes, page.classes);
  }

  /** Read the pages of the rows in sight, one after the other, and then those that have come into sight meanwhile. */
  #read(): Promise<void> {
    this.#reading ??= this.#readAll().finally(() => (this.#reading = null));
    return this.#reading;
  }

  async #readAll(): Promise<void> {
    const turn = this.#turn;
    for (;;) {
      const number = this.#wanted();
      this.#show();
      if (number === null || this.asked === null || this.failure !== null) return;
      try {
        const page = await this.#page(this.asked, this.#cursors[number] ?? "");
        if (turn !== this.#turn) return;
        this.#put(number, page);
      } catch (error) {
        if (turn === this.#turn) this.failure = toFailure(error);
        return;
      }
    }
  }

  /** The next page to read: one in sight, or the last before it whose cursor is known. */
  #wanted(): number | null {
    const [first, last] = this.#window.map((index) => Math.floor(Math.min(index, Math.max(this.count - 1, 0)) / PAGE)) as [number, number];
    for (let number = first; number <= last; number++) {
      if (this.#pages.has(number)) continue;
      let from = number;
      while (from > 0 && this.#cursors[from] === undefined) from -= 1;
      return from;
    }
    return null;
  }

  #show(): void {
    const [first, last] = this.#window;
    let from = Math.floor(first / PAGE);
    while (from * PAGE <= last && !this.#pages.has(from)) from += 1;
    const rows: TableRow[] = [];
    for (let number = from; ; number++) {
      const page = this.#pages.get(number);
      if (page === undefined) break;
      rows.push(...page);
      if (page.length < PAGE) break;
    }
    this.start = from * PAGE;
    this.rows = rows;
  }
}

/** All classes of some pages, with all fields that were seen of each. */
export function mergeClasses(known: readonly TableClass[], more: readonly TableClass[]): TableClass[] {
  const found = new Map(known.map((each) => [each.name, each]));
  for (const each of more) {
    const before = found.get(each.name);
    found.set(each.name, { name: each.name, fields: { ...before?.fields, ...each.fields }, enums: [...new Set([...(before?.enums ?? []), ...each.enums])] });
  }
  return [...found.values()];
}
