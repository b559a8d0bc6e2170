/** The console: cells in order; their texts survive a reload, and what `fs` is in them. */

import type { Where } from "../../protocol";
import { makeFailure } from "../logic/failure";
import { Cell } from "./cell.svelte";
import { recall, remember } from "./memory";
import type { Notices } from "./notices.svelte";
import { CellQueue } from "./queue.svelte";
import type { Session } from "./session.svelte";

const KEPT = 100; // cells whose texts are remembered
const SHOWN = 300; // cells kept on the page

export class Console {
  cells = $state.raw<Cell[]>(readCells());
  /** Which filesystem `fs` is for the next cell, here and in notebooks. */
  where = $state<Where>(recall("fs") === "local" ? "local" : "cluster");
  /** Set to put a text into the editor; a new object each time. */
  offered = $state.raw<{ code: string } | null>(null);
  readonly queue: CellQueue;
  #notices: Notices;
  #next = 1;

  constructor(session: Session, notices: Notices) {
    this.queue = new CellQueue(session, notices);
    this.#notices = notices;
  }

  get running(): Cell | null {
    return this.queue.running;
  }

  /** Texts run before, the oldest first, each once. */
  get history(): string[] {
    return [...new Set(this.cells.map((cell) => cell.code).reverse())].reverse();
  }

  get draft(): string {
    return recall("draft") ?? "";
  }

  keepDraft(text: string): void {
    remember("draft", text);
  }

  run(code: string): void {
    if (code.trim() === "") return;
    const cell = new Cell(this.#next++, code, this.where);
    this.cells = [...this.cells, cell].slice(-SHOWN);
    this.#remember();
    this.queue.run(cell, this.where);
  }

  async select(where: Where): Promise<void> {
    this.where = where;
    remember("fs", where);
    await this.queue.select(where).catch((error: unknown) => this.#notices.report("Switching fs", error));
  }

  /** Stop the running cell and drop those that wait. False when this page cannot interrupt Python. */
  stop(): boolean {
    return this.queue.stop();
  }

  restart(): void {
    this.queue.restart();
  }

  clear(): void {
    for (const cell of this.cells) if (cell.state !== "running" && cell.state !== "queued") this.queue.live.stop(cell);
    this.cells = this.cells.filter((cell) => cell.state === "running" || cell.state === "queued");
    this.#remember();
  }

  #remember(): void {
    const texts = this.cells.slice(-KEPT).map(({ code, where }) => ({ code, where }));
    if (!remember("cells", JSON.stringify(texts)))
      this.#notices.report("Console", makeFailure("LimitExceeded", "This browser keeps no more cell texts", "Clear the console."));
  }
}

function readCells(): Cell[] {
  const cells: Cell[] = [];
  let id = 0;
  for (const item of parse(recall("cells"))) {
    if (typeof item !== "object" || item === null) continue;
    const { code, where } = item as Record<string, unknown>;
    if (typeof code === "string") cells.push(new Cell(--id, code, where === "local" ? "local" : "cluster", "earlier"));
  }
  return cells;
}

function parse(text: string | null): unknown[] {
  try {
    const data: unknown = JSON.parse(text ?? "[]");
    return Array.isArray(data) ? data : [];
  } catch {
    return [];
  }
}
