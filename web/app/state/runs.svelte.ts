/** Method runs: what ran where, and what came of it. Kept per object while the page is open. */

import type { Failure, ObjectView, RunResult } from "../../protocol";
import { toFailure } from "../logic/failure";
import { fullPath } from "../logic/path";
import type { Session } from "./session.svelte";

export type RunPlace = "here" | "there";

export interface Run {
  id: number;
  method: string;
  args: string;
  place: RunPlace;
  node: string;
  began: Date;
  result: RunResult | null;
  failure: Failure | null;
  milliseconds: number | null;
}

const KEPT = 50;

export class Runs {
  #byObject = $state.raw<Record<string, Run[]>>({});
  #session: Session;
  #next = 1;

  constructor(session: Session) {
    this.#session = session;
  }

  /** The runs of an object, newest first. */
  of(view: ObjectView): Run[] {
    return this.#byObject[keyOf(view)] ?? [];
  }

  async start(view: ObjectView, method: string, args: string, place: RunPlace): Promise<void> {
    const { where, pointer } = view;
    const run: Run = {
      id: this.#next++,
      method,
      args,
      place,
      node: pointer.node,
      began: new Date(),
      result: null,
      failure: null,
      milliseconds: null,
    };
    this.#put(view, run);
    const path = fullPath(pointer);
    try {
      const result = await this.#session.port.call("run", { where, path, method, args, place });
      this.#put(view, { ...run, result, milliseconds: result.milliseconds });
      if (result.pointer !== null) this.#session.saved(where, path, result.pointer);
    } catch (error) {
      this.#put(view, { ...run, failure: toFailure(error), milliseconds: Date.now() - run.began.getTime() });
    }
  }

  clear(view: ObjectView): void {
    const running = this.of(view).filter((run) => run.milliseconds === null);
    this.#byObject = { ...this.#byObject, [keyOf(view)]: running };
  }

  #put(view: ObjectView, run: Run): void {
    const known = this.of(view);
    const at = known.findIndex((other) => other.id === run.id);
    const runs = at < 0 ? [run, ...known].slice(0, KEPT) : known.with(at, run);
    this.#byObject = { ...this.#byObject, [keyOf(view)]: runs };
  }
}

function keyOf(view: ObjectView): string {
  return `${view.where}:${view.pointer.uuid}`;
}
