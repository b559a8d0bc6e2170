import { describe, expect, it } from "vitest";
import type { TableClass } from "../../protocol";
import { allColumns, exampleOf, fieldColumns } from "./fields";

const classes: TableClass[] = [
  { name: "Widget", fields: { id: "str", data: "object", price: "float", name_: "str" }, enums: [] },
  { name: "Tool", fields: { price: "Decimal", made: "date" }, enums: [] },
];

describe("the columns of a table", () => {
  it("are the fields of all its classes, each once, those that every object has last", () => {
    expect(fieldColumns(classes, "").map(({ field, first }) => [field, first])).toEqual([
      ["price", true], ["name_", true], ["made", true], ["id", false], ["data", false],
    ]);
  });

  it("have the one that the rows are ordered by, even where no class declares it", () => {
    expect(fieldColumns(classes, "address.city").map(({ field }) => field)).toContain("address.city");
    expect(fieldColumns(classes, "date").map(({ field }) => field)).not.toContain("date");
  });

  it("give an example of a search, by fields that are there", () => {
    expect(exampleOf(allColumns(classes, 0, true, ""))).toBe('o.price < 3.5 and "x" in o.name_');
    expect(exampleOf(allColumns([{ name: "Odd", fields: { "1st": "int", made: "date" }, enums: [] }], 0, true, ""))).toBe('"x" in o.name');
  });

  it("differ in their ids, whatever fields are called", () => {
    const columns = allColumns([{ name: "Odd", fields: { name: "str", size: "int", version: "int" }, enums: [] }], 0, true, "");
    expect(new Set(columns.map(({ id }) => id)).size).toBe(columns.length);
  });
});

describe("a column of a field", () => {
  it("is one of numbers only where all of them are", () => {
    const kinds = (annotation: string): unknown[] => fieldColumns([{ name: "A", fields: { f: annotation }, enums: [] }], "").map(({ kind, filter }) => [kind, filter])[0] ?? [];
    expect(["int", "Optional[float]", "int | None", "Decimal", "int | float"].map((each) => kinds(each)[0])).toEqual(Array(5).fill("number"));
    expect(["int | str", "int | str | list[int]", "list[int]", "None", ""].map((each) => kinds(each)[0])).not.toContain("number");
  });

  it("is filtered by the names of members, and ordered where an order can name it", () => {
    const columns = fieldColumns([{ name: "A", fields: { "first name": "str", c: "Colour", class: "int" }, enums: ["c"] }], "");
    expect(columns.map(({ filter, sortable }) => [filter, sortable])).toEqual([["text", false], ["enum", true], ["number", true]]);
  });
});
