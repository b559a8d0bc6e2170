import { expect, test } from "vitest";
import { fieldOf, makeFailure, toFailure } from "./failure";

test("anything thrown becomes a failure", () => {
  const failure = makeFailure("Invalid", "no", "try again");
  expect(toFailure(failure)).toEqual(failure);
  expect(toFailure(Object.assign(new Error("no"), { failure }))).toEqual(failure);
  expect(toFailure({ code: "Invalid", message: "no" })).toEqual(makeFailure("Invalid", "no"));
  expect(toFailure(new Error("boom"))).toEqual(makeFailure("Error", "boom"));
  expect(toFailure("text")).toEqual(makeFailure("Error", "text"));
  expect(toFailure(undefined).message).toBe("undefined");
});

test("a failure names its field by path or by word", () => {
  const names = ["price", "unit_price", "tags"];
  expect(fieldOf({ ...makeFailure("Invalid", "bad"), path: "/a/b.unit_price" }, names)).toBe("unit_price");
  expect(fieldOf({ ...makeFailure("Invalid", "bad"), path: "/a/b.tags.0" }, names)).toBe("tags");
  expect(fieldOf(makeFailure("Invalid", "unit_price must be a float"), names)).toBe("unit_price");
  expect(fieldOf(makeFailure("Invalid", "the field 'price' is bad"), names)).toBe("price");
  expect(fieldOf(makeFailure("Invalid", "prices went up"), names)).toBeNull();
});
