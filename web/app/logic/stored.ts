/** Outputs of a cell as a notebook keeps them (nbformat's form), and back. */

import type { Failure } from "../../protocol";
import type { CellOutput } from "./outputs";

export type Stored = Record<string, unknown>;

const LARGEST = 2_000_000; // characters that are kept of one cell

/** What is kept of a cell's outputs; what is too large is left out, and said. */
export function toStored(outputs: readonly CellOutput[], failure: Failure | null, count: number): Stored[] {
  const stored: Stored[] = [];
  let room = LARGEST;
  let left = 0;
  for (const each of outputs.flatMap((output) => storeOne(output, count))) {
    room -= JSON.stringify(each).length;
    if (room < 0) left += 1;
    else stored.push(each);
  }
  if (left > 0) stored.push({ output_type: "stream", name: "stderr", text: `… ${left} larger outputs were not kept: run the cell again\n` });
  if (failure !== null) {
    const lines = (failure.traceback ?? "").split("\n");
    stored.push({ output_type: "error", ename: failure.code, evalue: [failure.message, failure.remedy].filter(Boolean).join("\n"), traceback: lines });
  }
  return stored;
}

function storeOne(output: CellOutput, count: number): Stored[] {
  if (output.kind === "value") {
    const { data, metadata } = output.value;
    if (!output.result) return [{ output_type: "display_data", data, metadata }];
    return [{ output_type: "execute_result", data, metadata, execution_count: count || null }];
  }
  const { head, dropped, tail } = output.shown;
  const cut = dropped > 0 ? [{ stream: "stderr" as const, text: `\n… ${dropped} characters were not kept\n` }] : [];
  const made: { output_type: "stream"; name: string; text: string }[] = [];
  for (const { stream, text } of [...head, ...cut, ...tail]) {
    const last = made.at(-1);
    if (last?.name === stream) last.text += text;
    else made.push({ output_type: "stream", name: stream, text });
  }
  return made;
}

/** What is shown of kept outputs; what nobody knows is left out. */
export function fromStored(stored: readonly Stored[]): { outputs: CellOutput[]; failure: Failure | null } {
  const outputs: CellOutput[] = [];
  let failure: Failure | null = null;
  stored.forEach((each, id) => {
    const { output_type: type, data, metadata } = each;
    if (type === "stream") {
      const chunk = { id: 0, stream: each["name"] === "stderr" ? ("stderr" as const) : ("stdout" as const), text: String(each["text"] ?? "") };
      outputs.push({ id, kind: "stream", shown: { head: [chunk], dropped: 0, tail: [] } });
    } else if ((type === "display_data" || type === "execute_result") && isMap(data)) {
      outputs.push({ id, kind: "value", value: { data, metadata: isMap(metadata) ? metadata : {} }, result: type === "execute_result" });
    } else if (type === "error") failure = failureOf(each);
  });
  return { outputs, failure };
}

/** Of Jupyter an error has the exception's name, and a traceback in the colours of a terminal. */
function failureOf({ ename, evalue, traceback }: Stored): Failure {
  // eslint-disable-next-line no-control-regex
  const text = (Array.isArray(traceback) ? traceback.map(String).join("\n") : "").replace(/\u001b\[[0-9;]*m/g, "");
  const name = String(ename ?? "Error");
  const said = String(evalue ?? "");
  const foreign = /\w(Error|Exception)$/.test(name); // ours are codes: NotFound, Conflict, Error
  const message = foreign && !said.startsWith(name) ? `${name}: ${said}` : said;
  return { code: foreign ? "Error" : name, message, path: null, remedy: null, traceback: text.trim() === "" ? null : text };
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
