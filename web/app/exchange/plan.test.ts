import { describe, expect, it } from "vitest";
import type { Field, SheetPreview } from "../../protocol";
import { kindOf, planColumns } from "./plan";

const field = (name: string, annotation: string): Field => ({ name, annotation, kind: "literal", text: "", form: "", type: "", size: 0, reason: "", spark: [] });
const fields = [field("unit_price", "float"), field("made", "datetime.date | None"), field("note", "str | None"), field("any", "int | str")];
const sheet = (...columns: [string, string, string][]): SheetPreview => ({
  format: "csv", encoding: "utf-8", delimiter: ",", kinds: [], rows: [], count: 0, odd: {}, columns: columns.map(([column, name, kind]) => ({ column, field: name, kind })),
});

describe("the columns of a file", () => {
  it("become the fields that are called so, and are read by their annotations", () => {
    const plan = planColumns(sheet(["Unit Price", "unit_price", "number"], ["name", "name", "number"], ["Other", "other", "bool"]), fields, true);
    expect(plan.map((each) => [each.field, each.kind])).toEqual([["unit_price", "float"], ["name", "text"], ["", "bool"]]);
  });

  it("become fields of their own in plain records", () => {
    const plan = planColumns(sheet(["A b", "a_b", "number"], ["a-b", "a_b", "value"]), [], false);
    expect(plan.map((each) => [each.field, each.kind])).toEqual([["a_b", "number"], ["", "value"]]);
  });

  it("are read as what the field takes", () => {
    expect(["made", "note", "any", "name", "else"].map((name) => kindOf(name, fields, "number"))).toEqual(["date", "text or null", "number", "text", "number"]);
  });
});
