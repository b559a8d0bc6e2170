/** The console: cells in order, run one after another; their texts survive a reload. */

import type { Where } from "../../protocol";
import { makeFailure, toFailure } from "../logic/failure";
import { Cell } from "./cell.svelte";
import { recall, remember } from "./memory";
import type { Notices } from "./notices.svelte";
import type { Session } from "./session.svelte";

const KEPT = 100; // cells whose texts are remembered
const SHOWN = 300; // cells kept on the page

export class Console {
  cells = $state.raw<Cell[]>(readCells());
  /** Which filesystem `fs` is for the next cell. */
  where = $state<Where>("cluster");
  /** Set to put a text into the editor; a new object each time. */
  offered = $state.raw<{ code: string } | null>(null);
  #session: Session;
  #notices: Notices;
  #next = 1;
  #selected: Where | null = null;

  constructor(session: Session, notices: Notices) {
    this.#session = session;
    this.#notices = notices;
    session.port.on("output", ({ cell, stream, text }) => this.#cell(cell)?.print(stream, text));
    session.port.on("display", ({ cell, id, update, data, metadata }) => {
      const value = { data, metadata };
      if (!update) this.#cell(cell)?.display(value, id);
      else for (const each of this.cells) each.replace(id, value);
    });
    session.port.on("clear", ({ cell, wait }) => this.#cell(cell)?.clear(wait));
    session.port.on("failure", ({ cell, failure }) => {
      const shown = this.#cell(cell);
      if (shown === undefined) notices.report("In the background", failure);
      else shown.failure = failure;
    });
    session.port.on("cells", ({ state }) => {
      if (state === "loading" || state === "dead") this.#selected = null;
      else void this.#pump();
    });
  }

  get running(): Cell | null {
    return this.cells.find((cell) => cell.state === "running") ?? null;
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
    this.cells = [...this.cells, new Cell(this.#next++, code, this.where)].slice(-SHOWN);
    this.#remember();
    void this.#pump();
  }

  async select(where: Where): Promise<void> {
    this.where = where;
    if (this.running === null && this.#session.ready) await this.#select(where).catch((error) => this.#notices.report("Switching fs", error));
  }

  /** Stop the running cell and drop those that wait. False when this page cannot interrupt Python. */
  stop(): boolean {
    this.#drop();
    const running = this.running;
    if (running === null) return true;
    running.stopping = this.#session.port.interrupt();
    return running.stopping;
  }

  restart(): void {
    this.#drop();
    this.#session.port.restart();
  }

  clear(): void {
    this.cells = this.cells.filter((cell) => cell.state === "running" || cell.state === "queued");
    this.#remember();
  }

  async #pump(): Promise<void> {
    const cell = this.cells.find((waiting) => waiting.state === "queued");
    if (this.running !== null || cell === undefined) return;
    if (!this.#session.ready) return this.#session.port.hurry(); // it goes on when Python is there
    cell.state = "running";
    cell.began = new Date();
    try {
      await this.#select(cell.where);
      const { value, milliseconds } = await this.#session.port.call("cell", { cell: cell.id, code: cell.code });
      if (value !== null) cell.display(value, "", true);
      cell.end(cell.failure === null ? "done" : "failed", milliseconds);
    } catch (error) {
      cell.failure ??= toFailure(error);
      cell.end("failed", Date.now() - cell.began.getTime());
    }
    await this.#pump();
  }

  async #select(where: Where): Promise<void> {
    if (this.#selected === where) return;
    await this.#session.port.call("select", { where });
    this.#selected = where;
  }

  #drop(): void {
    for (const cell of this.cells.filter((waiting) => waiting.state === "queued")) {
      cell.failure = makeFailure("Error", "It did not run: the queue was stopped.");
      cell.end("dropped", null);
    }
  }

  #cell(id: number): Cell | undefined {
    return id > 0 ? this.cells.find((cell) => cell.id === id) : undefined;
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
