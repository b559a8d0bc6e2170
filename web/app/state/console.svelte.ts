/** The console: cells as a notebook has them, kept in this browser instead of an object; new ones come from the prompt. */

import type { Where } from "../../protocol";
import { makeFailure } from "../logic/failure";
import type { Cell } from "./cell.svelte";
import { CellItem, Cells, EMPTY, freshId } from "./cells.svelte";
import { recall, remember } from "./memory";
import type { Notices } from "./notices.svelte";
import { ConsoleOutputs } from "./outputs";
import { CellQueue } from "./queue.svelte";
import type { Session } from "./session.svelte";

const KEPT = 100; // cells whose texts and outputs are remembered
const SHOWN = 300; // cells kept on the page

export class Console extends Cells {
  readonly of = "console";
  /** Which filesystem `fs` is for the next cell, here and in notebooks. */
  where = $state<Where>(recall("fs") === "local" ? "local" : "cluster");
  /** Set to put a text into the editor; a new object each time. */
  offered = $state.raw<{ code: string } | null>(null);
  #notices: Notices;
  #outputs: ConsoleOutputs;

  constructor(session: Session, notices: Notices) {
    super(new CellQueue(session, notices));
    this.#notices = notices;
    this.items = readItems();
    this.#outputs = new ConsoleOutputs(session.port, KEPT, () => this.items);
  }

  protected override prepare(item: CellItem): void {
    item.cell.onend = () => this.#outputs.keep(item);
  }

  protected get selected(): Where {
    return this.where;
  }

  get running(): Cell | null {
    return this.queue.running;
  }

  /** Texts run before, the oldest first, each once. */
  get history(): string[] {
    return [...new Set(this.texts.reverse())].reverse();
  }

  /** The texts of the cells of code. */
  get texts(): string[] {
    return this.items.filter(({ kind }) => kind === "code").map(({ cell }) => cell.code);
  }

  get draft(): string {
    return recall("draft") ?? "";
  }

  keepDraft(text: string): void {
    remember("draft", text);
  }

  /** Run a text in a new cell at the end. */
  enter(code: string): void {
    if (code.trim() === "") return;
    const item = new CellItem({ ...EMPTY, id: freshId(), source: code });
    this.items = [...this.items, item].slice(-SHOWN);
    void this.run(item);
    this.changed();
  }

  async select(where: Where): Promise<void> {
    this.where = where;
    remember("fs", where);
    await this.queue.select(where).catch((error: unknown) => this.#notices.report("Switching fs", error));
  }

  /** Ask the running cell to stop, and drop those that wait. */
  stop(): void {
    this.queue.stop();
  }

  restart(): void {
    this.queue.restart();
  }

  clear(): void {
    for (const { cell } of this.items) {
      if (cell.waits) continue;
      this.queue.live.stop(cell);
      this.queue.forget(cell);
    }
    for (const { item } of this.removed) this.queue.forget(item.cell);
    this.items = this.items.filter(({ cell }) => cell.waits);
    this.removed = [];
    this.changed();
  }

  changed(): void {
    const kept = this.items.slice(-KEPT).map(({ id, kind, name, folded, cell: { code, where } }) => ({ id, code, where, kind, name, folded }));
    this.#outputs.retain(new Set([...this.items, ...this.removed.map(({ item }) => item)].map(({ id }) => id)));
    if (!remember("cells", JSON.stringify(kept)))
      this.#notices.report("Console", makeFailure("LimitExceeded", "This browser keeps no more cell texts", "Clear the console."));
  }
}

function readItems(): CellItem[] {
  const items: CellItem[] = [];
  for (const each of parse(recall("cells"))) {
    if (typeof each !== "object" || each === null) continue;
    const { id, code, where, kind, name, folded } = each as Record<string, unknown>;
    if (typeof code !== "string") continue;
    const kept = { ...EMPTY, id: typeof id === "string" ? id : freshId(), source: code, name: typeof name === "string" ? name : "", folded: folded === true };
    items.push(new CellItem({ ...kept, kind: kind === "markdown" ? kind : "code" }, where === "local" || where === "cluster" ? where : null));
  }
  return items;
}

function parse(text: string | null): unknown[] {
  try {
    const data: unknown = JSON.parse(text ?? "[]");
    return Array.isArray(data) ? data : [];
  } catch {
    return [];
  }
}
