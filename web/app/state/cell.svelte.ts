/** One console cell: its text, what it printed, and how it ended. */

import type { Failure, Where } from "../../protocol";
import { OutputBuffer, type Shown, type Stream } from "../logic/output";

export type CellState = "earlier" | "queued" | "running" | "done" | "failed" | "dropped";

const DRAW_EVERY = 120; // ms between redraws while output floods in

export class Cell {
  readonly id: number;
  readonly code: string;
  /** Which filesystem `fs` is in it. */
  readonly where: Where;
  state = $state<CellState>("queued");
  output = $state.raw<Shown | null>(null);
  text = $state.raw<string | null>(null);
  failure = $state.raw<Failure | null>(null);
  began = $state.raw<Date | null>(null);
  milliseconds = $state<number | null>(null);
  stopping = $state(false);
  #buffer = new OutputBuffer();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #drawn = 0;

  constructor(id: number, code: string, where: Where, state: CellState = "queued") {
    this.id = id;
    this.code = code;
    this.where = where;
    this.state = state;
  }

  print(stream: Stream, text: string): void {
    this.#buffer.append(stream, text);
    const wait = DRAW_EVERY - (performance.now() - this.#drawn);
    if (wait <= 0 && this.#timer === undefined) this.#draw();
    else this.#timer ??= setTimeout(() => this.#draw(), Math.max(wait, 0));
  }

  end(state: CellState, milliseconds: number | null): void {
    this.state = state;
    this.milliseconds = milliseconds;
    this.stopping = false;
    if (!this.#buffer.empty) this.#draw();
  }

  #draw(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#drawn = performance.now();
    this.output = this.#buffer.show();
  }
}
