/** Cells and values that run again when the objects that they read change. */

import { SvelteMap, SvelteSet } from "svelte/reactivity";
import type { Event as KernelEvent, Trace } from "../../protocol";
import { makeFailure, toFailure } from "../logic/failure";
import { concerns, DEEPEST, Generations } from "../logic/live";
import type { Cell } from "./cell.svelte";
import type { Session } from "./session.svelte";

type Change = Extract<KernelEvent, { event: "change" }>;

const GATHER = 150; // ms that changes are gathered
const CALM = 5; // times as long as a run took, at most, it waits for the next

/** One thing that is live: a whole cell (`live` 0), or a value in it. */
interface Watched {
  cell: Cell;
  run: number;
  code: string;
  live: number;
  trace: Trace;
  ended: number;
  took: number;
  generation: number;
  next: number; // the generation of the run that is due
  timer: ReturnType<typeof setTimeout> | undefined;
  running: boolean;
  due: boolean;
}

export class LiveCells {
  /** When each live cell was made last. */
  updated = new SvelteMap<Cell, Date>();
  /** All stand still. */
  still = $state(false);
  /** Those that stand still by themselves. */
  #paused = new SvelteSet<Cell>();
  /** Those that stand still, and whose data have changed. */
  #late = new SvelteSet<Cell>();
  #watched = new Map<string, Watched>();
  #generations = new Generations();
  #session: Session;
  #again: (cell: Cell) => void;

  /** `again` runs a whole cell once more. */
  constructor(session: Session, again: (cell: Cell) => void) {
    this.#session = session;
    this.#again = again;
    session.port.on("change", (change) => this.#hear(change));
    session.port.on("cells", ({ state }) => {
      if (state === "loading" || state === "dead") for (const { cell } of [...this.#watched.values()]) this.stop(cell);
    });
  }

  /** A cell, or a value in it, read this. */
  watch(cell: Cell, live: number, trace: Trace, took: number): void {
    const key = `${cell.run} ${live}`;
    const before = this.#watched.get(key) ?? [...this.#watched.values()].find((each) => each.cell === cell && each.live === live && live === 0);
    const generation = before?.next ?? 0;
    if (before) this.#forget(before);
    const made: Watched = { cell, run: cell.run, code: cell.code, live, trace, ended: performance.now(), took, generation, next: 0, timer: undefined, running: false, due: before?.due ?? false };
    this.#generations.note(trace.made, generation + 1);
    this.#watched.set(key, made);
    this.updated.set(cell, new Date());
    if (made.due) this.#schedule(made);
  }

  isLive(cell: Cell): boolean {
    return this.updated.has(cell);
  }

  isPaused(cell: Cell): boolean {
    return this.still || this.#paused.has(cell);
  }

  /** Whether a cell that stands still would have run again. */
  isLate(cell: Cell): boolean {
    return this.#late.has(cell);
  }

  /** Let a cell stand still, or go on with what has changed meanwhile; null: all of them. */
  pause(cell: Cell | null, still: boolean): void {
    if (cell === null) this.still = still;
    else if (still) this.#paused.add(cell);
    else this.#paused.delete(cell);
    for (const each of this.#watched.values()) if (each.due && !each.running) this.#schedule(each);
  }

  /** Leave a cell as it is from now on. */
  stop(cell: Cell): void {
    this.#wake(cell);
    for (const each of [...this.#watched.values()]) if (each.cell === cell) this.#forget(each);
    this.updated.delete(cell);
  }

  /** A cell runs again by hand: what was live in it is not any more; `live`: nor is the cell, unless it says so again. */
  begin(cell: Cell, byItself: boolean): void {
    for (const each of [...this.#watched.values()]) if (each.cell === cell && !(byItself && each.live === 0)) this.#forget(each);
    if (byItself) return;
    this.updated.delete(cell);
    this.#wake(cell);
  }

  #wake(cell: Cell): void {
    this.#paused.delete(cell);
    this.#late.delete(cell);
  }

  #forget(each: Watched): void {
    clearTimeout(each.timer);
    for (const [key, value] of this.#watched) if (value === each) this.#watched.delete(key);
  }

  #hear(change: Change): void {
    for (const each of this.#watched.values()) {
      if (!concerns(each.trace, change, performance.now() - each.ended)) continue;
      each.next = Math.max(each.next, change.pointer === null ? 0 : this.#generations.of(change.pointer.revision));
      each.due = true;
      if (!each.running) this.#schedule(each);
    }
  }

  #schedule(each: Watched): void {
    if (this.isPaused(each.cell)) return void this.#late.add(each.cell);
    this.#late.delete(each.cell);
    each.timer ??= setTimeout(() => {
      each.timer = undefined;
      void this.#run(each);
    }, Math.max(GATHER, Math.min(each.took, 2_000) * CALM - (performance.now() - each.ended)));
  }

  async #run(each: Watched): Promise<void> {
    const { cell } = each;
    if (cell.code !== each.code || (each.live > 0 && cell.run !== each.run)) return this.stop(cell); // it was edited
    if (cell.waits || this.isPaused(cell)) return this.#schedule(each);
    if (each.next > DEEPEST) {
      this.stop(cell);
      cell.failure = makeFailure("LimitExceeded", "Not live any more: live cells change what the others read, in a circle", "Let each of them write elsewhere than the others read, then run them again.");
      return;
    }
    each.due = false;
    if (each.live === 0) return this.#again(cell);
    each.running = true;
    const began = performance.now();
    try {
      const trace = await this.#session.port.call("relive", { live: each.live });
      cell.failure = null;
      each.trace = trace;
      this.#generations.note(trace.made, each.next + 1);
      each.next = 0;
    } catch (error) {
      cell.failure = toFailure(error); // it goes on when the data change again
    }
    each.running = false;
    each.ended = performance.now();
    each.took = each.ended - began;
    if (this.updated.has(cell)) this.updated.set(cell, new Date());
    if (each.due) this.#schedule(each);
  }
}
