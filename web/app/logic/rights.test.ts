import { expect, test } from "vitest";
import { readRights, sayRights, writeRights } from "./rights";

test("every combination is written as it was read", () => {
  for (let bits = 0; bits < 512; bits += 1) {
    const may = Array.from({ length: 9 }, (_, at) => (bits & (1 << at)) !== 0);
    expect(readRights(writeRights(may))).toEqual(may);
  }
  expect(writeRights(readRights("rwxr-x---"))).toBe("rwxr-x---");
});

test("rights are a sentence", () => {
  expect(sayRights("rw-r-----", false)).toBe("The owner may read and write; the group may read; everybody else may do nothing.");
  expect(sayRights("rwx--x--x", true)).toBe("The owner may read, write and pass through; the group may pass through; everybody else may pass through.");
});
