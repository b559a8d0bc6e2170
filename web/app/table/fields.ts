/** The columns of a table of objects: what every entry has, and the fields of the classes among them. */

import type { TableClass, TableRow } from "../../protocol";
import { formatAge, formatBytes } from "../logic/format";
import { classOf } from "../logic/path";
import { own } from "../logic/own";
import type { Column } from "./column";
import { filterKind, isPlainName, type FilterKind } from "./filter";

export interface FieldColumn extends Column<TableRow> {
  /** The field of the object, or what its pointer calls it: what a search may order by. */
  field: string;
  /** A field of the object; the others are of its entry. */
  own: boolean;
  /** Of the class; "" for what every entry has. */
  annotation: string;
  filter: FilterKind | null;
  /** Shown until the user chooses. */
  first: boolean;
}

const OWN = "field:"; // a field may be called as a column of the entry is
const FIRST_FIELDS = 6;
const NARROW = 900; // px of a window in which a name leaves room for fields
const BASE = new Set(["id", "data"]);

/** `below`: the rows are of several directories. */
export function entryColumns(now: number, below: boolean): FieldColumn[] {
  const column = (id: string, label: string, text: (row: TableRow) => string, more: Partial<FieldColumn> = {}): FieldColumn => ({
    id, label, text, field: id, own: false, annotation: "", filter: "text", first: true, size: 110, ...more,
  });
  const unless = (row: TableRow, text: string): string => (row.pointer.type === "directory" ? "" : text);
  return [
    column("name", "Name", ({ pointer }) => pointer.name, { size: globalThis.innerWidth < NARROW ? 150 : 230 }),
    column("path", "Directory", ({ pointer }) => pointer.path, { size: 160, first: below }),
    column("class", "Class", (row) => (row.pointer.type === "directory" ? "directory" : classOf(row.pointer)), { filter: "class", sortable: false, kind: "code", size: 130 }),
    column("version", "Version", (row) => unless(row, String(row.pointer.version)), { kind: "number", filter: "number", size: 76 }),
    column("size", "Size", (row) => unless(row, formatBytes(row.pointer.size)), { kind: "number", filter: null, sortable: false, size: 80 }),
    column("date", "Stored", ({ pointer }) => formatAge(pointer.date, now), { filter: "date", size: 110 }),
    column("owner", "Owner", ({ pointer }) => pointer.owner, { first: false }),
    column("group", "Group", ({ pointer }) => pointer.group, { first: false }),
    column("perms", "Rights", ({ pointer }) => pointer.perms, { first: false, kind: "code" }),
    column("uuid", "UUID", ({ pointer }) => pointer.uuid, { first: false, kind: "code", size: 250 }),
    column("node", "Node", ({ pointer }) => pointer.node, { first: false, filter: null, sortable: false }),
  ];
}

/** The fields of all classes, each once; those that every object has are shown last, and not at first. */
export function fieldColumns(classes: readonly TableClass[], ordered: string): FieldColumn[] {
  const known = new Map<string, string>();
  for (const { fields } of classes) for (const [name, annotation] of Object.entries(fields)) if (!known.has(name)) known.set(name, annotation);
  if (ordered !== "" && !known.has(ordered) && !ENTRY_FIELDS.has(ordered)) known.set(ordered, "");
  const enums = new Set(classes.flatMap((each) => each.enums));
  const names = [...known.keys()].sort((left, right) => Number(BASE.has(left)) - Number(BASE.has(right)));
  return names.map((name, at) => fieldColumn(name, known.get(name) ?? "", at < FIRST_FIELDS && !BASE.has(name), enums.has(name)));
}

/** An expression over the first fields that it can be written for, to begin with. */
export function exampleOf(columns: readonly FieldColumn[]): string {
  const own = columns.filter((column) => column.own && column.first && isPlainName(column.field));
  const number = own.find(({ filter }) => filter === "number" || filter === "decimal")?.field;
  const text = own.find(({ annotation }) => annotation === "str")?.field ?? "name";
  return number === undefined ? `"x" in o.${text}` : `o.${number} < 3.5 and "x" in o.${text}`;
}

/** What an order and counts of values take as the name of a field. */
const IDENTIFIER = /^[\p{L}_][\p{L}\p{N}_]*$/u;

/** What a search may order by without its being a field of a class. */
const ENTRY_FIELDS = new Set(["name", "path", "version", "date", "owner", "group", "perms", "uuid", "node", "type"]);

function fieldColumn(name: string, annotation: string, first: boolean, isEnum: boolean): FieldColumn {
  const plain = annotation.replace(/^Optional\[(.*)\]$/, "$1").split(/\s*\|\s*/).filter((part) => part !== "None");
  const number = plain.length > 0 && plain.every((part) => /^(int|float|complex|(decimal\.)?Decimal)$/.test(part));
  const moment = plain.length === 1 && /^(datetime\.)?datetime$/.test(plain[0]!);
  const kind = number ? "number" : annotation === "str" || annotation === "" ? "text" : "code";
  return {
    id: OWN + name, label: name, field: name, own: true, annotation, first, kind, filter: isEnum ? "enum" : filterKind(annotation),
    sortable: name.split(".").every((part) => IDENTIFIER.test(part)),
    title: annotation === "" ? name : `${name}: ${annotation}`,
    text: (row) => own(row.cells, name) ?? "",
    size: number ? 100 : moment ? 205 : 150,
  };
}

/** The columns in their order: the name, the fields, and then what else every entry has. */
export function allColumns(classes: readonly TableClass[], now: number, below: boolean, ordered: string): FieldColumn[] {
  const [name, path, ...rest] = entryColumns(now, below);
  return [name!, path!, ...fieldColumns(classes, ordered), ...rest];
}
