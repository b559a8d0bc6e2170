import { expect, test } from "vitest";
import type { Trace } from "../../protocol";
import { concerns, Generations } from "./live";

const trace: Trace = {
  reads: [{ where: "cluster", path: "/stock/bolts" }, { where: "cluster", path: "/notes/a.text.0" }, { where: "local", path: "/" }],
  writes: [{ where: "cluster", path: "/stock/bolts" }],
  made: ["r7"],
};

function changed(path: string, revision: string | null = "r9", where: "cluster" | "local" = "cluster") {
  return { event: "change" as const, where, operation: "store", path, author: "ada", pointer: revision === null ? null : ({ revision } as never) };
}

test.each([
  ["/stock/bolts", true],
  ["/stock/bolts/m4", true], // a directory was read
  ["/stock", true], // it moved with what is above it
  ["/", true], // many
  ["/stock/bolts2", false],
  ["/stock/nuts", false],
  ["/notes/a", true],
  ["/notes/ab", false],
])("%s concerns it: %s", (path, expected) => {
  expect(concerns(trace, changed(path), 0)).toBe(expected);
});

test("what it wrote itself does not concern it, what others write there does", () => {
  expect(concerns(trace, changed("/stock/bolts", "r7"), 0)).toBe(false);
  expect(concerns(trace, changed("/stock/bolts", null), 100)).toBe(false);
  expect(concerns(trace, changed("/stock/bolts", null), 60_000)).toBe(true);
  expect(concerns(trace, changed("/stock/bolts", "r8"), 0)).toBe(true);
  expect(concerns(trace, changed("/stock/bolts", "r7", "local"), 0)).toBe(false);
});

test("live runs that cause each other are counted", () => {
  const generations = new Generations();
  generations.note(["a"], 1);
  generations.note(["b"], generations.of("a") + 1);
  expect([generations.of("a"), generations.of("b"), generations.of("by hand")]).toEqual([1, 2, 0]);
});
