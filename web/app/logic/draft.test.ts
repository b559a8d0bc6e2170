import { describe, expect, test } from "vitest";
import type { Field, Pointer } from "../../protocol";
import { checkDraft, editDraft, findDifferences, findTheirs, rebaseDraft, resolveDifferences } from "./draft";

const field = (name: string, text: string, kind: Field["kind"] = "float"): Field => ({
  name,
  text,
  kind,
  annotation: kind,
  form: "",
  type: kind,
  size: text.length,
  reason: "",
  spark: [],
});
const base = [field("price", "3.0"), field("count", "10", "int"), field("note", "old", "str")];

describe("a draft holds what differs", () => {
  test("an edit is kept, and gone when typed back", () => {
    const draft = editDraft({}, base, "price", "4.0");
    expect(draft).toEqual({ price: "4.0" });
    expect(editDraft(draft, base, "price", "3.0")).toEqual({});
    expect(editDraft({}, base, "missing", "1")).toEqual({});
  });

  test("spelling counts: 3.0 and 3.00 differ", () => {
    expect(editDraft({}, base, "price", "3.00")).toEqual({ price: "3.00" });
  });

  test("over newer fields, edits that came true vanish", () => {
    expect(rebaseDraft({ price: "4.0", note: "new" }, [field("price", "4.0"), field("note", "x", "str")])).toEqual({
      note: "new",
    });
  });

  test("problems are named by field", () => {
    expect(Object.keys(checkDraft({ count: "1.5", price: "2" }, base))).toEqual(["count"]);
  });
});

describe("a conflict", () => {
  const pointer = { version: 5 } as Pointer;
  const conflict = {
    pointer,
    theirs: [field("price", "5.0"), field("count", "10", "int"), field("note", "theirs", "str")],
    mine: [field("price", "3.0"), field("count", "11", "int"), field("note", "mine", "str")],
  };
  const rows = findDifferences(conflict, base);

  test("suggests the only side that changed, and asks when both did", () => {
    expect(rows.map((row) => [row.name, row.suggested])).toEqual([
      ["price", "theirs"],
      ["count", "mine"],
      ["note", null],
    ]);
  });

  test("tells what only they changed, when mine has it already", () => {
    const merged = { ...conflict, mine: conflict.mine.map((one) => (one.name === "price" ? field("price", "5.0") : one)) };
    expect(findTheirs(merged, base)).toEqual(["price"]);
    expect(findTheirs(conflict, base)).toEqual([]);
  });

  test("is settled once everything is chosen", () => {
    expect(resolveDifferences(rows, {})).toBeNull();
    expect(resolveDifferences(rows, { note: "theirs" })).toEqual({ count: "11" });
    expect(resolveDifferences(rows, { note: "mine", price: "mine" })).toEqual({
      price: "3.0",
      count: "11",
      note: "mine",
    });
  });
});
