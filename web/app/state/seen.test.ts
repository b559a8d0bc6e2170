import { expect, test } from "vitest";
import { keyOf, surplus } from "./seen";

test("only what the cluster holds now is kept", () => {
  expect(keyOf("open", { where: "cluster", path: "/a", version: 0 })).toBe("open /a\n");
  expect(keyOf("list", { where: "cluster", path: "/a", cursor: "b", limit: 5 })).toBe("list /a\nb");
  expect(keyOf("open", { where: "cluster", path: "/a", version: 3 })).toBeNull();
  expect(keyOf("open", { where: "local", path: "/a", version: 0 })).toBeNull();
  expect(keyOf("change", { where: "cluster", steps: [], run: 1 })).toBeNull();
  const table = { where: "cluster", path: "/a", inside: true, text: "", order: "", descending: false, limit: 5, cursor: "b", fields: [] } as const;
  expect(keyOf("rows", { ...table, fields: [] })).toBe("rows /a\nb");
  expect(keyOf("rows", { ...table, fields: [], text: "o.x" })).toBeNull();
});

test("what was seen longest ago goes first, and no more than must", () => {
  const sizes = new Map([["old", 60], ["small", 1], ["new", 60]]);
  expect(surplus(sizes, 3, 200)).toEqual([]);
  expect(surplus(sizes, 3, 100)).toEqual(["old"]);
  expect(surplus(sizes, 1, 200)).toEqual(["old", "small"]);
  expect(surplus(sizes, 3, 0)).toEqual(["old", "small", "new"]);
});
