/** Files that become objects, objects that become files, and new objects from a form: what is asked and under way. */

import type { ExportFormat, TableQuestion, Where } from "../../protocol";
import type { Failure } from "../../protocol";
import { saveAs } from "../logic/save";
import { toFailure } from "../logic/failure";
import { nextRun } from "../logic/running";
import type { Port } from "../port";

/** What a dialog is open for. */
export type Wanted =
  | { kind: "import"; where: Where; path: string; file: File }
  | { kind: "create"; where: Where; path: string };

export interface Exported {
  run: number;
  name: string;
  count: number;
  state: "busy" | "done" | "failed";
  /** Field: what the file does not tell of it exactly. */
  lost: [field: string, what: string][];
  failure: Failure | null;
}

export const FORMAT_NAMES: Record<ExportFormat, string> = {
  emerge: "Archive: all, with versions and classes",
  json: "JSON: a list of their fields",
  jsonl: "JSON lines: one object a line",
  csv: "CSV: for spreadsheets",
};

export class Exchange {
  wanted = $state.raw<Wanted | null>(null);
  /** An import is under way: its dialog stays. */
  importing = $state(false);
  exported = $state.raw<Exported | null>(null);
  #port: Port;

  constructor(port: Port) {
    this.#port = port;
    port.on("progress", ({ run, done }) => {
      if (this.exported?.run === run && this.exported.state === "busy") this.exported = { ...this.exported, count: done };
    });
  }

  /** Export what a table shows, or these paths of it. */
  async export(question: TableQuestion, format: ExportFormat, paths: string[] = []): Promise<void> {
    const run = nextRun();
    const busy: Exported = { run, name: "", count: 0, state: "busy", lost: [], failure: null };
    this.exported = busy;
    try {
      const { name, count, lost } = await this.#port.call("exportrows", { ...question, paths, format, run });
      const file = this.#port.take(run);
      if (file !== null) saveAs(file, name);
      if (this.exported?.run === run) this.exported = { ...busy, name, count, state: "done", lost: Object.entries(lost) };
    } catch (error) {
      if (this.exported?.run === run) this.exported = { ...busy, state: "failed", failure: toFailure(error) };
    }
  }

  /** End an export that is under way, and say nothing more of one that is done. */
  dismiss(): void {
    if (this.exported?.state === "busy") this.#port.call("cancel", { run: this.exported.run }).catch(() => undefined);
    this.exported = null;
  }
}
