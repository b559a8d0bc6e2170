import { expect, test } from "vitest";
import type { Field } from "../../protocol";
import { findFields, isUnused, sectionsOf } from "./section";

const field = (name: string, more: Partial<Field> = {}): Field => ({ name, annotation: "", kind: "str", text: "", form: "", type: "str", size: 0, reason: "", spark: [], ...more });

test("each field is in one section, in order", () => {
  for (const count of [0, 1, 50, 51, 5000]) {
    const fields = Array.from({ length: count }, (_, at) => field(`f${at}`));
    const sections = sectionsOf(fields);
    expect(sections.flatMap((section) => section.fields)).toEqual(fields);
    expect(sections.every((section) => section.fields.length <= 50 && section.first === section.fields[0]?.name)).toBe(true);
  }
});

test("fields are found by name, annotation and value", () => {
  const fields = [field("unit_price", { annotation: "float" }), field("colour", { text: "dark blue" })];
  expect(findFields(fields, "PRICE flo").map(({ name }) => name)).toEqual(["unit_price"]);
  expect(findFields(fields, "blue").map(({ name }) => name)).toEqual(["colour"]);
  expect(findFields(fields, "")).toEqual(fields);
});

test("id and data are unused when they say nothing", () => {
  expect(isUnused(field("id", { text: "widget1" }), "widget1")).toBe(true);
  expect(isUnused(field("id", { text: "other" }), "widget1")).toBe(false);
  expect(isUnused(field("data", { type: "NoneType", kind: "literal", text: "None" }), "x")).toBe(true);
  expect(isUnused(field("data", { type: "dict", kind: "literal", text: "{}" }), "x")).toBe(false);
  expect(isUnused(field("data", { type: "NoneType", annotation: "int | None", text: "None" }), "x")).toBe(false);
});
