/** A table as the fields of a saved query (py/emerge_wasm/saved_query.py), and back: texts as Python writes them. */

import type { Field } from "../../protocol";
import type { Sort } from "./column";

export interface SavedTable {
  below: string;
  inside: boolean;
  text: string;
  expression: string;
  filters: Record<string, string>;
  columns: Record<string, boolean>;
  sort: Sort | null;
}

/** What of a table is saved. */
export interface Described {
  text: string;
  filters: Record<string, string>;
  chosen: Record<string, boolean>;
  sort: Sort | null;
  shownExpression: string;
}

const OWN = "field:";

/** The fields of a saved query, as texts: of strings themselves, of all else as Python shows it. */
export function describeTable({ text, filters, chosen, sort, shownExpression }: Described): Record<string, string> {
  const typed = Object.entries(filters).filter(([, each]) => each.trim() !== "");
  const order = sort === null ? "" : sort.id.startsWith(OWN) ? sort.id.slice(OWN.length) : sort.id;
  return {
    text, order,
    expression: shownExpression,
    filters: mapText(typed.map(([id, each]) => [id, textOf(each)])),
    descending: sort?.descending ? "True" : "False",
    columns: mapText(Object.entries(chosen).map(([id, shown]) => [id, shown ? "True" : "False"])),
  };
}

export function readTable(fields: readonly Field[]): SavedTable {
  const text = (name: string): string => fields.find((field) => field.name === name)?.text ?? "";
  const columns = Object.fromEntries(readMap(text("columns")).map(([id, shown]) => [id, shown === "True"]));
  const filters = Object.fromEntries(readMap(text("filters")).map(([id, typed]) => [id, readText(typed)]));
  const order = text("order");
  const own = !ENTRY.has(order);
  return {
    below: text("below") || "/",
    inside: text("inside") === "True",
    text: text("text"),
    expression: text("expression"),
    filters, columns,
    sort: order === "" ? null : { id: own ? OWN + order : order, descending: text("descending") === "True" },
  };
}

const ENTRY = new Set(["name", "path", "version", "date", "owner", "group", "perms", "uuid", "node"]);
const ITEM = /('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"): ('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|True|False)(?:, |\}$)/g;

function mapText(items: [string, string][]): string {
  return `{${items.map(([key, text]) => `${textOf(key)}: ${text}`).join(", ")}}`;
}

function readMap(text: string): [string, string][] {
  return [...text.matchAll(ITEM)].map(([, key = "", value = ""]) => [readText(key), value]);
}

/** A text as Python shows it. */
function textOf(text: string): string {
  const mark = text.includes("'") && !text.includes('"') ? '"' : "'";
  return mark + text.replace(/\\/g, "\\\\").replaceAll(mark, `\\${mark}`).replace(/\n/g, "\\n").replace(/\t/g, "\\t").replace(/\r/g, "\\r") + mark;
}

function readText(shown: string): string {
  return shown.slice(1, -1).replace(/\\(n|t|r|x[\da-f]{2}|u[\da-f]{4}|.)/g, (_, code: string) => ({ n: "\n", t: "\t", r: "\r" })[code] ?? (code.length > 1 ? String.fromCodePoint(parseInt(code.slice(1), 16)) : code));
}
