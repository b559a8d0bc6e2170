import { expect, test } from "vitest";
import { changeOfRights, readRights, sayRights, writeRights } from "./rights";

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

test("a change of rights makes the one of the other, and leaves the rest as it is", () => {
  const text = (bits: number): string => writeRights(Array.from({ length: 9 }, (_, at) => (bits & (1 << at)) !== 0));
  const apply = (perms: string, change: string): string => {
    const may = readRights(perms);
    for (const [, who = "", sign, letters = ""] of change.matchAll(/([ugo])([+-])([rwx]+)/g)) {
      for (const letter of letters) may["ugo".indexOf(who) * 3 + "rwx".indexOf(letter)] = sign === "+";
    }
    return writeRights(may);
  };
  for (let before = 0; before < 512; before += 17) {
    for (let after = 0; after < 512; after += 11) {
      const change = changeOfRights(text(before), text(after));
      expect(apply(text(before), change)).toBe(text(after));
      expect(change === "").toBe(before === after);
      const other = readRights(apply(text(0o525), change));
      const touched = readRights(text(before)).map((had, at) => had !== readRights(text(after))[at]);
      expect(other.filter((_, at) => !touched[at])).toEqual(readRights(text(0o525)).filter((_, at) => !touched[at]));
    }
  }
  expect(changeOfRights("rwxr-x---", "rwxrw---x")).toBe("g+w,g-x,o+x");
});
