import { expect, test } from "vitest";
import { addErrors, NO_ERRORS, summary } from "./search";

test("errors of pages add up, the first ten are told", () => {
  const page = { count: 7, first: Array.from({ length: 7 }, (_, index) => ({ path: `/a/${index}`, error: "no" })) };
  const both = addErrors(addErrors(NO_ERRORS, page), page);
  expect(both.count).toBe(14);
  expect(both.first).toHaveLength(10);
  expect(both.first[7]?.path).toBe("/a/0");
});

test("the summary says what is known", () => {
  expect(summary(200, null, 3376, 45)).toBe("200 objects and more · scanned 3,376 · 45 ms");
  expect(summary(200, 1, 5, 0.2)).toBe("1 object · scanned 5 · < 1 ms");
});
