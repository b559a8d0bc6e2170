import { describe, expect, test } from "vitest";
import type { Field, Pointer, TableRow } from "../../protocol";
import { fieldColumns } from "../table/fields";
import { checkDraft, editDraft, type Draft, rebaseDraft, resolveDifferences } from "./draft";
import { treeOfFields } from "./fieldtree";
import { own, withOwn, withoutOwn } from "./own";

/** What every object of JavaScript answers to: each may be the name of a field. */
const NAMES = [...Object.getOwnPropertyNames(Object.prototype), ...Object.getOwnPropertyNames(Array.prototype), "prototype", "then"];
const names = [...new Set(NAMES)].filter((name) => /^\w+$/.test(name));
const field = (name: string, text: string): Field => ({ name, text, kind: "int", annotation: "int", form: "", type: "int", size: text.length, reason: "", spark: [] });
const fields = names.map((name, at) => field(name, String(at)));

describe("a field may have any name", () => {
  test("a map has of itself what was put into it, and nothing else", () => {
    for (const name of names) {
      expect(own({}, name)).toBeUndefined();
      const map = withOwn({ other: "2" }, name, "1");
      expect(own(map, name)).toBe("1");
      expect(Object.keys(map).sort()).toEqual(["other", name].sort());
      expect(Object.keys(withoutOwn(map, name))).toEqual(["other"]);
      expect(Object.getPrototypeOf(map)).toBe(Object.prototype);
    }
  });

  test("what nobody edited has no edit, no problem and no choice", () => {
    expect(checkDraft({}, fields)).toEqual({});
    expect(rebaseDraft({}, fields)).toEqual({});
    expect(treeOfFields(fields, {}).children?.map(({ key, text }) => [key, text])).toEqual(fields.map(({ name, text }) => [name, text]));
    expect(resolveDifferences([{ name: "constructor", base: "1", theirs: "2", mine: "3", suggested: null }], {})).toBeNull();
  });

  test("each is edited, checked, settled and given up by itself", () => {
    let draft: Draft = {};
    for (const { name } of fields) draft = editDraft(draft, fields, name, "x");
    expect(Object.keys(draft).sort()).toEqual([...names].sort());
    expect(Object.keys(checkDraft(draft, fields)).sort()).toEqual([...names].sort());
    const rows = names.map((name) => ({ name, base: "1", theirs: "2", mine: "3", suggested: "mine" as const }));
    expect(Object.entries(resolveDifferences(rows, {}) ?? {}).sort()).toEqual(names.map((name) => [name, "3"]).sort());
    for (const { name, text } of fields) draft = editDraft(draft, fields, name, text);
    expect(draft).toEqual({});
  });

  test("a table shows it where an object has it, and nothing where not", () => {
    const row: TableRow = { pointer: {} as Pointer, cells: {}, series: {}, away: "" };
    const columns = fieldColumns([{ name: "Odd", fields: Object.fromEntries(names.map((name) => [name, "int"])), enums: [] }], "");
    expect(columns.map(({ text }) => text(row)).filter((text) => text !== "")).toEqual([]);
    const full = { ...row, cells: Object.fromEntries(names.map((name) => [name, name])) };
    expect(columns.map(({ text }) => text(full))).toEqual(columns.map(({ field: name }) => name));
  });
});
