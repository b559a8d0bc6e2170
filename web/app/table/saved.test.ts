import { describe, expect, it } from "vitest";
import { describeTable, readTable } from "./saved";

describe("a table that is saved as a query", () => {
  it("is as it was", () => {
    const nasty = ["<3", "it's", 'a "b"', "\\", `'"`, "a\nb\t", "{x}: 'y', ", "é🙂"];
    const filters = Object.fromEntries(nasty.map((text, at) => [`field:${at}${text}`, text]));
    for (const sort of [null, { id: "field:price", descending: true }, { id: "name", descending: false }]) {
      const table = { text: "o.a < 2", filters, chosen: { owner: true, "field:x": false }, sort, shownExpression: "e" };
      const texts = { ...describeTable(table), below: "/a b", inside: "True" };
      const fields = Object.entries(texts).map(([name, text]) => ({ name, text, annotation: "", kind: "literal" as const, form: "", type: "", size: text.length, reason: "", spark: [] }));
      expect(readTable(fields)).toEqual({ below: "/a b", inside: true, text: "o.a < 2", expression: "e", filters, columns: table.chosen, sort });
    }
  });
});
