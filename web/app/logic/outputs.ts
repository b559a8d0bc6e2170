/** The outputs of one cell in order: what it printed and what it displayed. */

import type { ShownValue } from "../../protocol";
import { OutputBuffer, type Shown, type Stream } from "./output";

export type CellOutput = { id: number; kind: "stream"; shown: Shown } | { id: number; kind: "value"; value: ShownValue; result: boolean };

type Entry = { id: number; buffer: OutputBuffer } | { id: number; display: string; value: ShownValue; result: boolean };

export class Outputs {
  #entries: Entry[] = [];
  #next = 1;
  #clearing = false;

  get empty(): boolean {
    return this.#entries.length === 0;
  }

  print(stream: Stream, text: string): void {
    this.#begin();
    let last = this.#entries.at(-1);
    if (last === undefined || !("buffer" in last)) {
      last = { id: this.#next++, buffer: new OutputBuffer() };
      this.#entries.push(last);
    }
    last.buffer.append(stream, text);
  }

  /** `display`: the name by which it can be replaced, or "". */
  show(value: ShownValue, display = "", result = false): void {
    this.#begin();
    this.#entries.push({ id: this.#next++, display, value, result });
  }

  /** Replace what has this name; false when nothing here has it. */
  replace(display: string, value: ShownValue): boolean {
    let found = false;
    this.#entries = this.#entries.map((entry) => {
      if ("buffer" in entry || entry.display !== display) return entry;
      found = true;
      return { ...entry, value };
    });
    return found;
  }

  /** `wait`: when the next output comes, so that nothing flickers. */
  clear(wait: boolean): void {
    this.#clearing = wait;
    if (!wait) this.#entries = [];
  }

  /** Nothing more comes: what was to be cleared by the next output goes. */
  settle(): void {
    this.#begin();
  }

  /** A copy to draw. */
  list(): CellOutput[] {
    return this.#entries.map((entry) => ("buffer" in entry ? { id: entry.id, kind: "stream", shown: entry.buffer.show() } : { id: entry.id, kind: "value", value: entry.value, result: entry.result }));
  }

  #begin(): void {
    if (this.#clearing) this.clear(false);
  }
}
