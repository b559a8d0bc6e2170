/** A cell: its text, what it printed and displayed, and how it ended. */

import type { Failure, ShownValue, Where } from "../../protocol";
import type { Stream } from "../logic/output";
import { Outputs, type CellOutput } from "../logic/outputs";

export type CellState = "earlier" | "queued" | "running" | "done" | "failed" | "dropped";

const DRAW_EVERY = 120; // ms between redraws while output floods in

/** A field that a cell waits for. */
export interface Asked {
  input: number;
  prompt: string;
  secret: boolean;
}

export class Cell {
  code = $state("");
  /** Which filesystem `fs` was in it when it ran last; null before that. */
  where = $state<Where | null>(null);
  /** By which the kernel knows its last run; 0 before that. */
  run = $state(0);
  state = $state<CellState>("earlier");
  outputs = $state.raw<readonly CellOutput[]>([]);
  failure = $state.raw<Failure | null>(null);
  began = $state.raw<Date | null>(null);
  milliseconds = $state<number | null>(null);
  stopping = $state(false);
  /** It was told to stop a while ago, and runs. */
  stubborn = $state(false);
  /** Its last run was not asked for: it is live. */
  byItself = false;
  /** The text that ran last. */
  ran = "";
  asked = $state.raw<Asked | null>(null);
  /** What its writes are recorded with; "": nothing. */
  cause = "";
  /** The packages that its notebook has used, as lines of pip's. */
  requirements: readonly string[] = [];
  /** Called with the packages that a run of it has used. */
  onpackages: ((lines: readonly string[]) => void) | null = null;
  /** Called when a run of it has ended. */
  onend: (() => void) | null = null;
  #made = new Outputs();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #drawn = 0;

  constructor(code: string, where: Where | null = null) {
    this.code = code;
    this.where = where;
  }

  /** Whether it runs, or is about to. */
  get waits(): boolean {
    return this.state === "queued" || this.state === "running";
  }

  /** Forget what came of an earlier run, and wait for the next; `quietly`: when that gives something, so that nothing
   *  flickers. */
  begin(run: number, quietly = false): void {
    this.run = run;
    this.byItself = quietly;
    this.ran = this.code;
    this.state = "queued";
    this.failure = this.milliseconds = this.began = null;
    if (quietly) this.#made.clear(true);
    else this.#made = new Outputs();
    this.#draw();
  }

  /** Show what came of a run in an earlier page. */
  restore(outputs: readonly CellOutput[], failure: Failure | null, run: number): void {
    this.state = "earlier";
    this.outputs = outputs;
    this.failure = failure;
    this.run = run;
    this.milliseconds = this.began = null;
  }

  print(stream: Stream, text: string): void {
    this.#made.print(stream, text);
    this.#drawSoon();
  }

  display(value: ShownValue, id: string, result = false): void {
    this.#made.show(value, id, result);
    this.#drawSoon();
  }

  /** Whether something was displayed here with this id. */
  replace(id: string, value: ShownValue): boolean {
    const found = this.#made.replace(id, value);
    if (found) this.#drawSoon();
    return found;
  }

  clear(wait: boolean): void {
    this.#made.clear(wait);
    this.#drawSoon();
  }

  end(state: CellState, milliseconds: number | null): void {
    this.state = state;
    this.milliseconds = milliseconds;
    this.stopping = this.stubborn = false;
    this.asked = null;
    this.#made.settle();
    this.#draw();
    this.onend?.();
  }

  #drawSoon(): void {
    const wait = DRAW_EVERY - (performance.now() - this.#drawn);
    if (wait <= 0 && this.#timer === undefined) this.#draw();
    else this.#timer ??= setTimeout(() => this.#draw(), Math.max(wait, 0));
  }

  #draw(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#drawn = performance.now();
    this.outputs = this.#made.list();
  }
}
