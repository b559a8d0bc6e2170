/** What the page changes, and undoing it: each change tells what undoes it, which is a change too. */

import type { ChangeReport, Failure, Pointer, Step, Where } from "../../protocol";
import { makeFailure, toFailure } from "../logic/failure";
import { formatCount } from "../logic/format";
import { nextRun } from "../logic/running";
import type { Port } from "../port";

/** What was done last. */
export interface Made {
  title: string;
  where: Where;
  undo: Step[];
  failed: number;
  failures: ChangeReport["failures"];
  /** This was itself an undo. */
  back: boolean;
  /** What was asked for; none where it was done in another way. */
  steps: Step[];
}

export interface UnderWay {
  title: string;
  run: number;
  done: number;
  total: number;
}

export class Changes {
  made = $state.raw<Made | null>(null);
  underWay = $state.raw<UnderWay | null>(null);
  #port: Port;

  constructor(port: Port) {
    this.#port = port;
    port.on("progress", ({ run, done, total }) => {
      if (this.underWay?.run === run) this.underWay = { ...this.underWay, done, total };
    });
  }

  /** Make changes. `title` says what was done: "Removed 3 objects". Throws only where none could be tried. */
  async apply(title: string, where: Where, steps: Step[], back = false): Promise<ChangeReport> {
    const run = nextRun();
    if (steps.length > 1) this.underWay = { title, run, done: 0, total: steps.length };
    try {
      const report = await this.#port.call("change", { where, steps, run });
      if (report.undo.length > 0 || report.failed > 0) {
        this.made = { title, where, undo: report.undo, failed: report.failed, failures: report.failures, back, steps };
      }
      return report;
    } catch (error) {
      const failure = toFailure(error);
      const failures = [{ path: steps[0]?.path ?? "/", failure }];
      if (failure.code === "Unavailable") this.made = { title, where, undo: [], failed: steps.length, failures, back, steps };
      throw error;
    } finally {
      if (this.underWay?.run === run) this.underWay = null;
    }
  }

  /** Make one change; its failure is thrown. The new pointer, null when it is gone. */
  async one(title: string, where: Where, step: Step): Promise<Pointer | null> {
    const before = this.made;
    try {
      const report = await this.apply(title, where, [step]);
      const failed = report.failures[0];
      if (failed !== undefined) throw failed.failure;
      return report.pointer;
    } catch (error) {
      this.made = before;
      throw error;
    }
  }

  /** Something was changed in another way: this undoes it. */
  note(title: string, where: Where, undo: Step[]): void {
    this.made = { title, where, undo, failed: 0, failures: [], back: false, steps: [] };
  }

  async undo(): Promise<Failure | null> {
    const made = this.made;
    if (made === null || made.undo.length === 0 || this.underWay !== null) return null;
    const title = made.back ? made.title.replace(/^Undone: /, "") : `Undone: ${made.title}`;
    return this.#tell(this.apply(title, made.where, made.undo, !made.back));
  }

  /** Ask again for what was cut off. What was done of it is not done twice, but undone with the rest. */
  async again(): Promise<Failure | null> {
    const { made } = this;
    if (made === null || this.underWay !== null) return null;
    return this.#tell(this.apply(made.title, made.where, made.steps, made.back));
  }

  async #tell(report: Promise<ChangeReport>): Promise<Failure | null> {
    try {
      await report;
      return null;
    } catch (error) {
      return toFailure(error);
    }
  }

  stop(): void {
    if (this.underWay !== null) this.#port.call("cancel", { run: this.underWay.run }).catch(() => undefined);
  }

  dismiss(): void {
    this.made = null;
  }
}

/** Whether it is not known of all what came of it. */
export function isCutOff(made: Made): boolean {
  return made.steps.length > 0 && made.failures.some(({ failure }) => failure.code === "Unavailable");
}

/** What failed of several changes, as one failure; null when nothing did. */
export function failureOf(made: Made): Failure | null {
  const first = made.failures[0];
  if (first === undefined) return null;
  const others = made.failed > 1 ? ` And ${formatCount(made.failed - 1, "other")}.` : "";
  return { ...makeFailure(first.failure.code, `${first.path}: ${first.failure.message}.${others}`, first.failure.remedy), path: first.path };
}
