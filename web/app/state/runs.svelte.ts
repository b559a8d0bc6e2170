/** Method runs: what ran where, and what came of it. Kept per object while the page is open. */

import type { Failure, ObjectView, RunResult } from "../../protocol";
import { toFailure } from "../logic/failure";
import { OutputBuffer, type Shown } from "../logic/output";
import { fullPath } from "../logic/path";
import { nextRun } from "../logic/running";
import type { Session } from "./session.svelte";
import { stopRun } from "./stopping";

export type RunPlace = "here" | "there";

export interface Run {
  id: number;
  method: string;
  args: string;
  place: RunPlace;
  node: string;
  /** The version that it was asked of. */
  version: number;
  began: Date;
  /** What it has printed so far. */
  output: Shown | null;
  result: RunResult | null;
  failure: Failure | null;
  milliseconds: number | null;
}

const KEPT = 50;

export class Runs {
  #byObject = $state.raw<Record<string, Run[]>>({});
  #session: Session;
  #printed = new Map<number, { key: string; buffer: OutputBuffer }>();

  constructor(session: Session) {
    this.#session = session;
    session.port.on("printed", ({ run, text }) => this.#print(run, text));
  }

  /** The runs of an object, newest first. */
  of(view: ObjectView): Run[] {
    return this.#byObject[keyOf(view)] ?? [];
  }

  async start(view: ObjectView, method: string, args: string, place: RunPlace, asMe = false): Promise<void> {
    const { where, pointer } = view;
    const key = keyOf(view);
    const id = nextRun();
    const began = new Date();
    const { node, version } = pointer;
    this.#put(key, { id, method, args, place, node, version, began, output: null, result: null, failure: null, milliseconds: null });
    this.#printed.set(id, { key, buffer: new OutputBuffer() });
    const path = fullPath(pointer);
    try {
      const result = await this.#session.port.call("run", { where, path, method, args, place, run: id, as_me: asMe });
      this.#change(key, id, { result, output: this.#output(id, result.output), milliseconds: result.milliseconds });
      if (result.pointer !== null) this.#session.saved(where, path, result.pointer);
    } catch (error) {
      this.#change(key, id, { failure: toFailure(error), milliseconds: Date.now() - began.getTime() });
    }
    this.#printed.delete(id);
  }

  /** End a run. */
  stop(run: Run): void {
    stopRun(this.#session.port, run.id, run.place === "here", () => this.#printed.has(run.id));
  }

  clear(view: ObjectView): void {
    const running = this.of(view).filter((run) => run.milliseconds === null);
    this.#byObject = { ...this.#byObject, [keyOf(view)]: running };
  }

  /** The whole output that a result brings, where none of it came before. */
  #output(id: number, text: string): Shown | null {
    const printed = this.#printed.get(id);
    if (text === "" || printed === undefined) return null;
    const buffer = new OutputBuffer();
    buffer.append("stdout", text);
    return buffer.show();
  }

  #print(id: number, text: string): void {
    const printed = this.#printed.get(id);
    if (printed === undefined) return;
    printed.buffer.append("stdout", text);
    this.#change(printed.key, id, { output: printed.buffer.show() });
  }

  #change(key: string, id: number, changes: Partial<Run>): void {
    const run = this.#byObject[key]?.find((other) => other.id === id);
    if (run !== undefined) this.#put(key, { ...run, ...changes });
  }

  #put(key: string, run: Run): void {
    const known = this.#byObject[key] ?? [];
    const at = known.findIndex((other) => other.id === run.id);
    const runs = at < 0 ? [run, ...known].slice(0, KEPT) : known.with(at, run);
    this.#byObject = { ...this.#byObject, [key]: runs };
  }
}

function keyOf(view: ObjectView): string {
  return `${view.where}:${view.pointer.uuid}`;
}
