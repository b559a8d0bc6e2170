import { expect, test } from "vitest";
import { Deeds, leavesOpen } from "./deeds";

const SAVE = { where: "cluster", path: "/a", version: 1, changes: { n: "2" } };

test("a deed has its id until it is known what came of it", () => {
  const deeds = new Deeds();
  const first = deeds.begin("save", SAVE)!;
  expect(first.deed.again).toBe(false);
  first.settle(true);
  const second = deeds.begin("save", { ...SAVE })!;
  expect(second.deed).toEqual({ id: first.deed.id, again: true });
  const other = deeds.begin("save", { ...SAVE, version: 2 })!;
  expect(other.deed.again).toBe(false);
  expect(other.deed.id).not.toBe(first.deed.id);
  second.settle(false);
  const third = deeds.begin("save", SAVE)!;
  expect(third.deed.again).toBe(false);
  expect(third.deed.id).not.toBe(first.deed.id);
  first.settle(false); // late: of an id that is not open any more
  expect(deeds.begin("save", SAVE)!.deed).toEqual({ id: third.deed.id, again: true });
});

test("a run that is asked for while another one of the same words goes is one more", () => {
  const deeds = new Deeds();
  const RUN = { where: "cluster", path: "/a", method: "sell", args: "5", place: "there", run: undefined };
  const [first, second] = [deeds.begin("run", RUN)!, deeds.begin("run", RUN)!];
  expect(second.deed.again).toBe(false);
  expect(second.deed.id).not.toBe(first.deed.id);
  first.settle(true);
  second.settle(false);
  const again = deeds.begin("run", RUN)!;
  expect(again.deed).toEqual({ id: first.deed.id, again: true });
  again.settle(false);
  expect(deeds.begin("run", RUN)!.deed.again).toBe(false);
});

test("what changes nothing is no deed", () => {
  expect(new Deeds().begin("open", { where: "cluster", path: "/a", version: 0 })).toBeNull();
});

test("of several changes none may be left open", () => {
  const failure = (code: string): unknown => ({ path: "/a", failure: { code } });
  expect(leavesOpen({ pointer: null, conflict: null })).toBe(false);
  expect(leavesOpen({ done: 1, failed: 1, failures: [failure("Conflict")] })).toBe(false);
  expect(leavesOpen({ done: 1, failed: 1, total: 2, milliseconds: 3 })).toBe(false); // of a run on all: each was told
  expect(leavesOpen({ done: 1, failed: 1, failures: [failure("Unavailable")] })).toBe(true);
  expect(leavesOpen({ done: 1, failed: 200, failures: [failure("Conflict")] })).toBe(true);
});
