/** The table of a directory, or of a search below it: its question, columns and rows, kept while the page is open. */

import type { FacetList, FieldIndex, Plan, TableQuestion, TableRow, Where } from "../../protocol";
import { toFailure } from "../logic/failure";
import { isWithin, parentPath } from "../logic/path";
import type { Change } from "../logic/tree";
import type { Port } from "../port";
import { allColumns, type FieldColumn } from "../table/fields";
import { expressionOf, FilterProblem, joinExpressions, mayBeNone, type Filter } from "../table/filter";
import type { Sort } from "../table/column";
import { Selection } from "../table/selection.svelte";
import { RowSource } from "../table/source.svelte";
import { recall, remember } from "./memory";
import { Typed } from "./typed.svelte";

const TYPED = 350; // ms from the last key to the question
const FEW = 1000; // entries, which are put in order at once
const BUILD = 500; // ms from one look at an index that is being made to the next
const SETTLE = 250; // ms: changes that come together are read together

export class ObjectTable {
  readonly where: Where;
  readonly path: string;
  /** Only what is in the directory itself. */
  readonly inside: boolean;
  readonly source: RowSource;
  readonly selection: Selection<TableRow>;
  #typed: Typed;
  /** Column: what is typed below its name. */
  filters = $state.raw<Record<string, string>>({});
  filtering = $state(false);
  sort = $state.raw<Sort | null>(null);
  sizes = $state.raw<Record<string, number>>({});
  /** Column: whether the user shows it or hides it. */
  chosen = $state.raw<Record<string, boolean>>({});
  /** What is wrong with what is being typed, or what Enter would do. */
  hint = $state("");
  plan = $state.raw<Plan | null>(null);
  /** Of the field by which many are ordered; null: it is not asked for. */
  index = $state.raw<FieldIndex | null>(null);
  indexProblem = $state("");
  /** Somebody looks at it. */
  active = false;
  #port: Port;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #settling: ReturnType<typeof setTimeout> | undefined;
  #dirty = false;
  #turn = 0;

  constructor(port: Port, where: Where, path: string, inside: boolean) {
    this.#port = port;
    this.where = where;
    this.path = path;
    this.inside = inside;
    this.selection = new Selection((first, last) => this.source.between(first, last));
    // what was marked while an answer was awaited is not what is marked of the answer: all of few may be all of many
    this.source = new RowSource(port, () => this.selection.clear());
    this.#typed = new Typed(this.#kept, "", !inside); // a directory is shown as it is, whatever was asked of it before
    const kept = read(recall(this.#kept));
    this.sizes = kept.sizes;
    this.chosen = kept.chosen;
    port.on("change", (change) => this.#follow(change));
  }

  /** The expression as it is typed. */
  get text(): string {
    return this.#typed.text;
  }

  set text(text: string) {
    this.#typed.text = text;
  }

  get columns(): FieldColumn[] {
    return allColumns(this.source.classes, Date.now(), !this.inside, this.sort === null ? "" : fieldOf(this.sort.id));
  }

  /** What a search is ordered by is shown, whatever was chosen. */
  get hidden(): string[] {
    return this.columns.filter(({ id, first }) => !(this.chosen[id] ?? first) && id !== this.sort?.id && id !== "name").map(({ id }) => id);
  }

  show(id: string, shown: boolean): void {
    this.chosen = { ...this.chosen, [id]: shown };
    this.#keep();
    void this.#complete();
  }

  /** Rows of wide classes come with their first fields and those that are asked for: ask for all that are shown. */
  async #complete(): Promise<void> {
    const { source } = this;
    const lacking = this.#shownFields().filter((field) => !source.fields.includes(field) && source.rows.some(({ pointer, cells }) => pointer.type !== "directory" && !Object.hasOwn(cells, field)));
    if (lacking.length === 0) return;
    source.fields = [...source.fields, ...lacking];
    await source.refresh();
  }

  #shownFields(): string[] {
    const hidden = new Set(this.hidden);
    return this.columns.filter(({ id, own }) => own && !hidden.has(id)).map(({ field }) => field);
  }

  resize(sizes: Record<string, number>): void {
    this.sizes = sizes;
    this.#keep();
  }

  /** The filter of a column. */
  filterOf(column: FieldColumn): Filter {
    return { kind: column.filter ?? "text", field: column.field, text: this.filters[column.id] ?? "", optional: mayBeNone(column.annotation) };
  }

  /** Why what is typed below a column's name is no filter, or "". */
  problemOf(column: FieldColumn): string {
    try {
      expressionOf(this.filterOf(column));
      return "";
    } catch (error) {
      return error instanceof FilterProblem ? error.message : String(error);
    }
  }

  /** The expression that is asked: what was typed, and the filters. Throws FilterProblem. */
  get expression(): string {
    return joinExpressions(this.text, this.columns.map((column) => this.filterOf(column)));
  }

  /** The same, or "" while a filter is not complete. */
  get shownExpression(): string {
    try {
      return this.expression;
    } catch {
      return "";
    }
  }

  get filtered(): boolean {
    return Object.values(this.filters).some((text) => text.trim() !== "");
  }

  /** Whether the rows answer what is typed, and all are counted. */
  get answered(): boolean {
    return this.source.counted && this.source.asked?.text === this.shownExpression;
  }

  filter(id: string, text: string): void {
    this.filters = { ...this.filters, [id]: text };
    this.soon();
  }

  /** Make the filters a part of the expression. */
  write(): void {
    this.text = this.shownExpression;
    this.filters = {};
  }

  /** Only objects of which this is true, too. */
  require(expression: string): void {
    const own = this.text.trim();
    this.text = (own === "" ? "" : `(${own}) and `) + expression;
    void this.start();
  }

  order(sort: Sort | null): void {
    if (sort?.id !== this.sort?.id) this.index = null;
    this.sort = sort;
    void this.start(true);
  }

  /** Ask when nothing more was typed for a moment. */
  soon(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#live(), TYPED);
  }

  /** Ask now. With `keep`, the rows stay until others are there; `again`: for the same, of which some may be marked. */
  async start(keep = false, again = false): Promise<void> {
    clearTimeout(this.#timer);
    const turn = ++this.#turn;
    this.hint = "";
    this.plan = null;
    this.#dirty = false;
    if (!again) this.selection.clear();
    try {
      this.source.fields = this.#shownFields();
      await this.source.ask(this.#question(), keep && this.source.rows.length > 0);
      await this.#complete();
      void this.#askIndex(false);
    } catch (error) {
      if (turn === this.#turn) this.hint = error instanceof FilterProblem ? error.message : toFailure(error).message;
    }
  }

  /** What was typed may not be complete yet, and what runs code waits for Enter. */
  async #live(): Promise<void> {
    const turn = ++this.#turn;
    try {
      const question = this.#question();
      const { where, path, text, order } = question;
      if (text !== "" && (await this.#port.call("explain", { where, path, text, order })).code) {
        if (turn === this.#turn) this.hint = "This runs code of the objects' classes: press Enter to search.";
        return;
      }
      if (turn !== this.#turn) return;
      this.selection.clear();
      this.source.fields = this.#shownFields();
      const failure = await this.source.ask(question, true);
      await this.#complete();
      if (turn === this.#turn) this.hint = failure?.message ?? "";
    } catch (error) {
      if (turn === this.#turn) this.hint = error instanceof FilterProblem ? error.message : toFailure(error).message;
    }
  }

  async explain(): Promise<void> {
    const asked = this.source.asked;
    if (asked === null) return;
    try {
      const { where, path, text, order } = asked;
      this.plan = await this.#port.call("explain", { where, path, text, order });
    } catch (error) {
      this.source.failure = toFailure(error);
    }
  }

  makeIndex(): Promise<void> {
    return this.#askIndex(true);
  }

  /** Is there an index in the order that is shown? While one is being made, look again. */
  async #askIndex(make: boolean): Promise<void> {
    const { where, path, source } = this;
    const asked = source.asked;
    this.indexProblem = "";
    if (asked === null || asked.order === "" || source.count < FEW) return void (this.index = null);
    try {
      const built = this.index?.state === "building";
      const index = await this.#port.call("index", { where, path, field: asked.order, make });
      if (source.asked?.order !== asked.order) return;
      this.index = index;
      if (index.state === "building") setTimeout(() => void this.#askIndex(false), BUILD);
      else if (index.state === "ready" && (built || make)) void source.refresh();
    } catch (error) {
      if (make) this.indexProblem = toFailure(error).message;
    }
  }

  async facets(column: FieldColumn): Promise<FacetList> {
    return this.#port.call("facets", { ...this.#question(), field: column.field });
  }

  /** Read again what has changed while nobody looked. */
  look(): void {
    this.active = true;
    if (this.#dirty) this.#settle();
  }

  leave(): void {
    this.active = false;
  }

  #question(): TableQuestion {
    const { where, path, inside, sort } = this;
    return { where, path, inside, text: this.expression, order: sort === null ? "" : fieldOf(sort.id), descending: sort?.descending ?? false };
  }

  #follow(change: Change): void {
    if (change.where !== this.where || this.source.asked === null) return;
    const touches = change.operation === "many" ? isWithin(change.path, this.path) || isWithin(this.path, change.path) : this.inside ? parentPath(change.path) === this.path : isWithin(change.path, this.path);
    if (!touches) return;
    this.#dirty = true;
    if (this.active) this.#settle();
  }

  #settle(): void {
    if (this.#settling !== undefined) return;
    this.#settling = setTimeout(() => {
      const began = performance.now();
      this.#dirty = false;
      void this.source.refresh().finally(() => {
        // a slow answer under a flood of changes must not take all the kernel's time
        setTimeout(() => {
          this.#settling = undefined;
          if (this.#dirty && this.active) this.#settle();
        }, 3 * (performance.now() - began));
      });
    }, SETTLE);
  }

  get #kept(): string {
    return `table.${this.inside ? "" : "search."}${this.where}:${this.path}`;
  }

  #keep(): void {
    remember(this.#kept, JSON.stringify({ sizes: this.sizes, chosen: this.chosen }));
  }
}

function fieldOf(id: string): string {
  return id.startsWith("field:") ? id.slice("field:".length) : id;
}

function read(text: string | null): { sizes: Record<string, number>; chosen: Record<string, boolean> } {
  try {
    const { sizes, chosen } = JSON.parse(text ?? "") as { sizes?: Record<string, number>; chosen?: Record<string, boolean> };
    return { sizes: sizes ?? {}, chosen: chosen ?? {} };
  } catch {
    return { sizes: {}, chosen: {} };
  }
}
