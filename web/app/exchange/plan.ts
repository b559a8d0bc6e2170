/** What becomes of the columns of a file, until the user says otherwise. */

import type { ColumnPlan, Field, SheetPreview } from "../../protocol";

const KINDS: Record<string, string> = {
  str: "text", int: "int", float: "float", bool: "bool", bytes: "bytes", date: "date", datetime: "datetime", time: "time",
  Decimal: "decimal", UUID: "uuid", list: "list", dict: "map", tuple: "tuple", set: "set",
};

/** The kind that a column is read as, when it becomes this field. */
export function kindOf(field: string, fields: readonly Field[], kind: string): string {
  const annotation = fields.find(({ name }) => name === field)?.annotation ?? "";
  const bare = annotation.replace(/^(?:typing\.)?Optional\[(.*)\]$/, "$1").replace(/\s*\|\s*None$|^None\s*\|\s*/, "");
  const known = bare.includes("|") ? undefined : KINDS[bare.split("[")[0]?.split(".").at(-1) ?? ""];
  if (field === "name" || field === "path") return "text";
  return known === "text" && bare !== annotation ? "text or null" : (known ?? kind);
}

/** Each column becomes the field that is called as it is; with a class, what it has no field for is left out. */
export function planColumns({ columns }: SheetPreview, fields: readonly Field[], ofClass: boolean): ColumnPlan[] {
  const taken = new Set<string>();
  return columns.map(({ column, field, kind }) => {
    const target = ["name", "path"].includes(field) ? field : ofClass ? (matching(column, field, fields) ?? "") : field;
    const free = taken.has(target) ? "" : target;
    taken.add(free);
    return { column, field: free, kind: kindOf(free, fields, kind) };
  });
}

function matching(column: string, field: string, fields: readonly Field[]): string | undefined {
  const plain = (text: string): string => text.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");
  return fields.find(({ name }) => name === field || plain(name) === plain(column))?.name;
}
