/** Runs of a method over all objects of a directory: how far they are, and what came of each object. */

import type { Failure, Where } from "../../protocol";
import { toFailure } from "../logic/failure";
import { nextRun } from "../logic/running";
import type { Port } from "../port";
import { stopRun } from "./stopping";
import { Typed } from "./typed.svelte";

export interface Ran {
  path: string;
  text: string | null;
  failure: Failure | null;
}

/** One directory's run: the last one that was started. */
export class Sweep {
  #method: Typed;
  #args: Typed;
  state = $state<"new" | "running" | "done" | "stopped">("new");
  done = $state(0);
  failed = $state(0);
  total = $state(0);
  milliseconds = $state(0);
  rows = $state.raw<Ran[]>([]);
  failure = $state.raw<Failure | null>(null);
  asked = $state("");
  /** With all that the user may do, also in methods of others' objects. */
  asMe = $state(false);
  #port: Port;
  #where: Where;
  #path: string;
  #id = 0;

  constructor(port: Port, where: Where, path: string) {
    this.#port = port;
    this.#where = where;
    this.#path = path;
    this.#method = new Typed(`sweep ${where} ${path}`);
    this.#args = new Typed(`sweep arguments ${where} ${path}`);
    port.on("progress", ({ run, done, failed, total }) => {
      if (run === this.#id) [this.done, this.failed, this.total] = [done, failed, total];
    });
    port.on("ran", ({ run, path, text, failure }) => {
      if (run === this.#id) this.rows = failure === null ? [...this.rows, { path, text, failure }] : [{ path, text, failure }, ...this.rows];
    });
  }

  get method(): string {
    return this.#method.text;
  }

  set method(text: string) {
    this.#method.text = text;
  }

  get args(): string {
    return this.#args.text;
  }

  set args(text: string) {
    this.#args.text = text;
  }

  async start(): Promise<void> {
    const began = Date.now();
    const method = this.method.trim();
    this.#id = nextRun();
    this.asked = `${method}(${this.args})`;
    this.done = this.failed = this.total = 0;
    this.rows = [];
    this.failure = null;
    this.state = "running";
    try {
      const ended = await this.#port.call("runall", { where: this.#where, path: this.#path, method, args: this.args, run: this.#id, as_me: this.asMe });
      [this.done, this.failed, this.total, this.milliseconds] = [ended.done, ended.failed, ended.total, ended.milliseconds];
      this.state = "done";
    } catch (error) {
      this.milliseconds = Date.now() - began;
      const failure = toFailure(error);
      this.failure = failure.message === "stopped" ? null : failure;
      this.state = "stopped";
    }
  }

  stop(): void {
    const id = this.#id;
    stopRun(this.#port, id, this.#where === "local", () => id === this.#id && this.state === "running");
  }
}
