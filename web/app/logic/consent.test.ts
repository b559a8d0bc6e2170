import { expect, test } from "vitest";
import { addKeys, covers, readKeys } from "./consent";

const [a, b] = ["a".repeat(64), "b".repeat(64)];

test("keys are read back, and nothing else", () => {
  expect(readKeys(JSON.stringify([a, `+${b}`, 7, "x", "+"]))).toEqual([a, `+${b}`]);
  expect(readKeys(null)).toEqual([]);
  expect(readKeys("{")).toEqual([]);
  expect(readKeys("{}")).toEqual([]);
});

test("a key for the tab stands for the worker too, not the other way round", () => {
  expect(addKeys([a], [`+${a}`])).toEqual([`+${a}`]);
  expect(addKeys([`+${a}`], [a])).toEqual([`+${a}`]);
  expect(addKeys([a, b], [a])).toEqual([b, a]);
});

test("the oldest are forgotten", () => {
  const many = Array.from({ length: 2500 }, (_, index) => index.toString(16).padStart(64, "0"));
  const kept = addKeys(many, [a]);
  expect(kept).toHaveLength(2000);
  expect(kept.at(-1)).toBe(a);
});

test("a key of the worker does not do for the tab", () => {
  expect(covers([`+${a}`], [a])).toBe(true);
  expect(covers([a], [`+${a}`])).toBe(false);
  expect(covers([a], [a, b])).toBe(false);
  expect(covers([a], [])).toBe(false);
});
