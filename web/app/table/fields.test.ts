import { describe, expect, it } from "vitest";
import type { TableClass } from "../../protocol";
import { allColumns, exampleOf, fieldColumns } from "./fields";

const classes: TableClass[] = [
  { name: "Widget", fields: { id: "str", data: "object", price: "float", name_: "str" } },
  { name: "Tool", fields: { price: "Decimal", made: "date" } },
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
    expect(exampleOf(allColumns([{ name: "Odd", fields: { "1st": "int", made: "date" } }], 0, true, ""))).toBe('"x" in o.name');
  });

  it("differ in their ids, whatever fields are called", () => {
    const columns = allColumns([{ name: "Odd", fields: { name: "str", size: "int", version: "int" } }], 0, true, "");
    expect(new Set(columns.map(({ id }) => id)).size).toBe(columns.length);
  });
});
