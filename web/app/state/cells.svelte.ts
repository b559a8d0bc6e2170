/** Cells in order, of a notebook or of the console: written, run, moved, removed and brought back alike in both. */

import type { NotebookCell, Where } from "../../protocol";
import { fromStored, toStored, type Stored } from "../logic/stored";
import { Cell } from "./cell.svelte";
import type { CellQueue } from "./queue.svelte";

export type CellKind = NotebookCell["kind"];

export const EMPTY: NotebookCell = { id: "", kind: "code", name: "", source: "", outputs: [], count: 0, folded: false, metadata: {}, attachments: {} };
const BROUGHT_BACK = 50; // removed cells that can be brought back

export class CellItem {
  readonly id: string;
  kind = $state<CellKind>("code");
  name = $state("");
  folded = $state(false);
  /** What Python makes of it; its text is the cell's. */
  readonly cell: Cell;
  /** Of Markdown: its text is being written. */
  editing = $state(false);
  #kept: NotebookCell;

  constructor(kept: NotebookCell, where: Where | null = null) {
    this.id = kept.id;
    this.#kept = kept;
    this.cell = new Cell(kept.source, where);
    this.take(kept);
  }

  /** The pictures that an .ipynb file had with its text. */
  get attachments(): Record<string, unknown> {
    return this.#kept.attachments;
  }

  /** Show what is kept, unless it runs. */
  take(kept: NotebookCell): void {
    const same = JSON.stringify(kept.outputs) === JSON.stringify(this.#kept.outputs) && this.cell.run > 0;
    this.#kept = kept;
    this.kind = kept.kind;
    this.name = kept.name;
    this.folded = kept.folded;
    this.cell.code = kept.source;
    if (same || this.cell.waits) return;
    const { outputs, failure } = fromStored(kept.outputs);
    this.cell.restore(outputs, failure, kept.count);
  }

  /** What is to be kept now. */
  keep(): NotebookCell {
    const { cell } = this;
    const going = cell.waits || cell.state === "earlier";
    const outputs: Stored[] = this.kind !== "code" ? [] : going ? this.#kept.outputs : toStored(cell.outputs, cell.failure, cell.run);
    const count = going ? this.#kept.count : cell.run;
    this.#kept = { ...this.#kept, id: this.id, kind: this.kind, name: this.name, source: cell.code, outputs, count: this.kind === "code" ? count : 0, folded: this.folded };
    return this.#kept;
  }
}

export abstract class Cells {
  /** What they are the cells of. */
  abstract readonly of: "console" | "notebook";
  items = $state.raw<CellItem[]>([]);
  removed = $state.raw<{ item: CellItem; at: number }[]>([]);
  /** They can be looked at and run, and stay as they are. */
  readOnly = $state(false);
  readonly queue: CellQueue;

  constructor(queue: CellQueue) {
    this.queue = queue;
  }

  /** Something about them is to be kept. */
  abstract changed(): void;

  /** What `fs` is in a cell that begins now. */
  protected abstract get selected(): Where;

  /** A cell is about to run. */
  protected prepare(_item: CellItem): void {}

  async run(...items: CellItem[]): Promise<void> {
    for (const item of items) this.#run(item);
  }

  #run(item: CellItem): void {
    item.editing = false;
    if (item.kind !== "code" || item.cell.code.trim() === "" || item.cell.waits) return;
    this.prepare(item);
    this.queue.run(item.cell, this.selected);
  }

  runAll(): void {
    void this.run(...this.items);
  }

  insert(at: number, kind: CellKind = "code", source = ""): CellItem {
    const item = new CellItem({ ...EMPTY, id: freshId(), kind, source });
    item.editing = kind === "markdown";
    this.#put(item, at);
    return item;
  }

  duplicate(item: CellItem): CellItem {
    return this.insert(this.items.indexOf(item) + 1, item.kind, item.cell.code);
  }

  remove(item: CellItem): void {
    const at = this.items.indexOf(item);
    if (at < 0) return;
    this.items = this.items.filter((other) => other !== item);
    this.queue.live.stop(item.cell);
    this.removed = [...this.removed, { item, at }].slice(-BROUGHT_BACK);
    this.changed();
  }

  undoRemove(): CellItem | null {
    const last = this.removed.at(-1);
    if (last === undefined) return null;
    this.removed = this.removed.slice(0, -1);
    this.#put(last.item, last.at);
    return last.item;
  }

  /** Put a cell to a place among the others. */
  move(item: CellItem, at: number): void {
    const others = this.items.filter((other) => other !== item);
    const place = Math.min(Math.max(at, 0), others.length);
    if (this.items[place] === item) return;
    this.items = [...others.slice(0, place), item, ...others.slice(place)];
    this.changed();
  }

  set(item: CellItem, change: Partial<Pick<CellItem, "kind" | "name" | "folded">>): void {
    Object.assign(item, change);
    this.changed();
  }

  write(item: CellItem, text: string): void {
    if (text === item.cell.code) return;
    item.cell.code = text;
    this.changed();
  }

  #put(item: CellItem, at: number): void {
    this.items = [...this.items.slice(0, at), item, ...this.items.slice(at)];
    this.changed();
  }
}

export function freshId(): string {
  return crypto.randomUUID().slice(0, 8);
}
