/** Searches: what was asked of a directory and what was found, kept while the page is open. */

import type { Failure, Plan, SearchErrors, SearchRow, Where } from "../../protocol";
import { earlier } from "../logic/away";
import { toFailure } from "../logic/failure";
import { addErrors, NO_ERRORS } from "../logic/search";
import type { Port } from "../port";

const PAGE = 200;

/** One directory's search. */
export class Search {
  text = $state("");
  order = $state("");
  descending = $state(false);
  rows = $state.raw<SearchRow[]>([]);
  /** null: not counted yet. */
  count = $state<number | null>(null);
  scanned = $state(0);
  errors = $state.raw<SearchErrors>(NO_ERRORS);
  /** Nodes that are away, and were not searched. */
  missing = $state.raw<string[]>([]);
  /** A moment since which it may have changed, as a copy found it; "": no copy did. */
  stale = $state("");
  milliseconds = $state(0);
  /** "": there are no more. */
  cursor = $state("");
  state = $state<"new" | "busy" | "done">("new");
  failure = $state.raw<Failure | null>(null);
  plan = $state.raw<Plan | null>(null);
  /** What `rows` answers: the field may say something else by now. */
  asked = $state("");
  #port: Port;
  #where: Where;
  #path: string;
  #turn = 0;
  #more = false;

  constructor(port: Port, where: Where, path: string) {
    this.#port = port;
    this.#where = where;
    this.#path = path;
  }

  async start(): Promise<void> {
    const turn = ++this.#turn;
    this.rows = [];
    this.count = this.failure = this.plan = null;
    this.errors = NO_ERRORS;
    this.missing = [];
    this.stale = "";
    this.cursor = "";
    this.scanned = this.milliseconds = 0;
    this.asked = this.text.trim();
    this.state = "busy";
    const first = await this.#page(turn);
    if (turn !== this.#turn) return;
    this.state = "done";
    if (!first) return;
    if (this.cursor === "") this.count = this.rows.length;
    else await this.#count(turn);
  }

  /** The next page, when there is one and none is on its way. */
  async more(): Promise<void> {
    if (this.cursor === "" || this.#more || this.state !== "done" || this.failure !== null) return;
    this.#more = true;
    await this.#page(this.#turn);
    this.#more = false;
  }

  async explain(): Promise<void> {
    try {
      this.plan = await this.#port.call("explain", { ...this.#question(), order: this.order.trim() });
    } catch (error) {
      this.failure = toFailure(error);
    }
  }

  async #page(turn: number): Promise<boolean> {
    const { order, descending, cursor } = this;
    try {
      const page = await this.#port.call("search", { ...this.#question(), order: order.trim(), descending, cursor, limit: PAGE });
      if (turn !== this.#turn) return false;
      this.rows = [...this.rows, ...page.rows];
      this.cursor = page.cursor;
      this.scanned += page.scanned;
      this.errors = addErrors(this.errors, page.errors);
      this.missing = [...new Set([...this.missing, ...page.missing])];
      this.stale = earlier(this.stale, page.stale);
      this.milliseconds += page.milliseconds;
      return true;
    } catch (error) {
      if (turn === this.#turn) this.failure = toFailure(error);
      return false;
    }
  }

  async #count(turn: number): Promise<void> {
    try {
      const { count } = await this.#port.call("count", this.#question());
      if (turn === this.#turn) this.count = count;
    } catch {
      this.count = null; // the rows are here all the same
    }
  }

  #question(): { where: Where; path: string; text: string } {
    return { where: this.#where, path: this.#path, text: this.asked };
  }
}
