import { beforeEach, expect, test, vi } from "vitest";
import { keep, Typed } from "./typed.svelte";

let held: Map<string, string>;
beforeEach(() => {
  held = new Map();
  vi.stubGlobal("localStorage", { getItem: (name: string) => held.get(name) ?? null, setItem: (name: string, text: string) => held.set(name, text) });
});

test("what was typed is there after a reload, until it has become something", () => {
  const box = new Typed("search /a");
  box.text = "o.price < 3";
  expect(new Typed("search /a").text).toBe("o.price < 3");
  expect(new Typed("search /b").text).toBe("");
  new Typed("search /a").clear();
  expect(new Typed("search /a").text).toBe("");
});

test("a box that is as it was at first is not kept", () => {
  const box = new Typed("name", "widget1");
  box.text = "widget2";
  box.text = "widget1";
  expect(held.get("emerge.typed")).toBe("[]");
});

test("names of any kind are kept, the oldest go first, and what is too long stays unkept", () => {
  for (const name of ["__proto__", "constructor", "é\n ", "toString"]) {
    expect(new Typed(name).text).toBe("");
    new Typed(name).text = `of ${name}`;
    expect(new Typed(name).text).toBe(`of ${name}`);
  }
  for (let number = 0; number < 300; number += 1) keep(`n ${number}`, "x");
  expect(new Typed("n 299").text).toBe("x");
  expect(new Typed("n 0").text).toBe("");
  keep("n 299", "y".repeat(100_000));
  expect(new Typed("n 299").text).toBe("");
});

test.each(["", "null", "[1]", "{", '{"a": 1}', '[["a", 1]]', '[["a"]]'])("a damaged store is an empty one (%s)", (text) => {
  held.set("emerge.typed", text);
  expect(new Typed("a").text).toBe("");
  new Typed("a").text = "b";
  expect(new Typed("a").text).toBe("b");
});
