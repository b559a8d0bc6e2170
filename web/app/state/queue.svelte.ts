/** The cells that wait for Python, of the console and of all notebooks: they run one after another. */

import type { Where } from "../../protocol";
import { makeFailure, toFailure } from "../logic/failure";
import type { Cell } from "./cell.svelte";
import { LiveCells } from "./live.svelte";
import type { Notices } from "./notices.svelte";
import type { Session } from "./session.svelte";

const STUBBORN = 3_000; // ms that a cell has to stop
const KNOWN = 400; // runs whose late output still finds its cell

export class CellQueue {
  running = $state.raw<Cell | null>(null);
  readonly live: LiveCells;
  #waiting: Cell[] = [];
  #byRun = new Map<number, Cell>();
  #session: Session;
  #next = 1;
  #selected: Where | null = null;

  constructor(session: Session, notices: Notices) {
    this.#session = session;
    this.live = new LiveCells(session, (cell) => this.#enqueue(cell, cell.where ?? "cluster", true));
    session.port.on("input", ({ cell, input, prompt, secret, open }) => {
      const asking = this.#byRun.get(cell);
      if (asking && open) asking.asked = { input, prompt, secret };
      else if (asking?.asked?.input === input) asking.asked = null;
    });
    session.port.on("live", ({ cell, live, trace }) => {
      const shown = this.#byRun.get(cell);
      if (shown) this.live.watch(shown, live, trace, 0);
    });
    session.port.on("output", ({ cell, stream, text }) => this.#byRun.get(cell)?.print(stream, text));
    session.port.on("display", ({ cell, id, update, data, metadata }) => {
      const value = { data, metadata };
      if (!update) this.#byRun.get(cell)?.display(value, id);
      else for (const each of new Set(this.#byRun.values())) each.replace(id, value);
    });
    session.port.on("packages", ({ cell, packages }) => this.#byRun.get(cell)?.onpackages?.(packages));
    session.port.on("clear", ({ cell, wait }) => this.#byRun.get(cell)?.clear(wait));
    session.port.on("failure", ({ cell, failure }) => {
      const shown = this.#byRun.get(cell);
      if (shown === undefined) notices.report("In the background", failure);
      else shown.failure = failure;
    });
    session.port.on("cells", ({ state }) => {
      if (state === "loading" || state === "dead") this.#selected = null;
      else void this.#pump();
    });
  }

  /** Run a cell when those before it have ended. `where`: what `fs` is in it. */
  run(cell: Cell, where: Where): void {
    this.#enqueue(cell, where, false);
  }

  /** `byItself`: it is live. */
  #enqueue(cell: Cell, where: Where, byItself: boolean): void {
    const run = this.#next++;
    cell.where = where;
    this.live.begin(cell, byItself);
    cell.begin(run, byItself);
    this.#byRun.set(run, cell);
    for (const old of [...this.#byRun.keys()].slice(0, -KNOWN)) this.#byRun.delete(old);
    this.#waiting.push(cell);
    void this.#pump();
  }

  /** Nothing more is to come of a cell: what it shows goes with it. */
  forget(cell: Cell): void {
    for (const [run, each] of this.#byRun) if (each === cell) this.#byRun.delete(run);
  }

  /** The cell of a run, if that is its newest. */
  find(run: number): Cell | null {
    const cell = this.#byRun.get(run);
    return cell?.run === run ? cell : null;
  }

  async select(where: Where): Promise<void> {
    if (this.running === null && this.#session.ready) await this.#select(where);
  }

  /** Ask the running cell to stop, and drop those that wait. */
  stop(): void {
    this.#drop();
    const running = this.running;
    if (running === null) return;
    this.#session.port.interrupt();
    running.stopping = true;
    const { run } = running;
    setTimeout(() => {
      if (this.running !== running || running.run !== run) return;
      running.stopping = false;
      running.stubborn = true;
    }, STUBBORN);
  }

  restart(): void {
    this.#drop();
    this.#session.port.restart();
  }

  async #pump(): Promise<void> {
    if (this.running !== null || this.#waiting.length === 0) return;
    if (!this.#session.ready) return this.#session.port.hurry(); // it goes on when Python is there
    const cell = this.#waiting.shift();
    if (cell === undefined) return;
    this.running = cell;
    cell.state = "running";
    cell.began = new Date();
    try {
      await this.#select(cell.where ?? "cluster");
      const { value, milliseconds, live } = await this.#session.port.call("cell", { cell: cell.run, code: cell.code, cause: cell.cause, requirements: [...cell.requirements] });
      if (value !== null) cell.display(value, "", true);
      cell.end(cell.failure === null ? "done" : "failed", milliseconds);
      if (live !== null) this.live.watch(cell, 0, live, milliseconds);
    } catch (error) {
      cell.failure ??= toFailure(error);
      cell.end("failed", Date.now() - cell.began.getTime());
    }
    this.running = null;
    await this.#pump();
  }

  async #select(where: Where): Promise<void> {
    if (this.#selected === where) return;
    await this.#session.port.call("select", { where });
    this.#selected = where;
  }

  #drop(): void {
    for (const cell of this.#waiting.splice(0)) {
      cell.failure = makeFailure("Error", "It did not run: the queue was stopped.");
      cell.end("dropped", null);
    }
  }
}
