import { beforeEach, describe, expect, test } from "vitest";
import type { Row } from "../logic/tree";
import { TreeKeys } from "./keys";

const entry = (path: string, level: number, directory = false, expanded = false): Row =>
  ({ kind: "entry", key: path, path, name: path.split("/").at(-1) ?? "", level, expanded, branch: { directory } }) as Row;
const rows: Row[] = [
  entry("/", 1, true, true),
  entry("/a", 2, true, true),
  entry("/a/new york", 3),
  { kind: "more", key: "m", level: 3, directory: "/a", failure: null, back: false },
  entry("/b", 2, true),
  entry("/bar", 2),
];

let at = 0;
let calls: string[] = [];
const tree = {
  rows,
  expand: (path: string): void => void calls.push(`expand ${path}`),
  collapse: (path: string): void => void calls.push(`collapse ${path}`),
};
let keys: TreeKeys;
let time = 0;
function press(key: string, wait = 1000): boolean {
  time += wait;
  return keys.handle({ key, timeStamp: time } as KeyboardEvent, tree, at);
}

beforeEach(() => {
  at = 0;
  calls = [];
  keys = new TreeKeys((index) => (at = index));
});

describe("keys", () => {
  test("arrows step over what is no entry and stop at the ends", () => {
    at = 2;
    press("ArrowDown");
    expect(at).toBe(4);
    press("ArrowUp");
    expect(at).toBe(2);
    press("End");
    expect(at).toBe(5);
    press("ArrowDown");
    expect(at).toBe(5);
    press("Home");
    expect(at).toBe(0);
  });

  test("right expands, then enters; left collapses, then leaves", () => {
    at = 4;
    press("ArrowRight");
    expect(calls).toEqual(["expand /b"]);
    at = 1;
    press("ArrowRight");
    expect(at).toBe(2);
    press("ArrowLeft");
    expect(at).toBe(1);
    press("ArrowLeft");
    expect(calls).toEqual(["expand /b", "collapse /a"]);
  });

  test("typing finds by the letters typed together, a space among them", () => {
    press("b");
    expect(at).toBe(4);
    press("a", 100);
    expect(at).toBe(5);
    for (const key of "new y") press(key, key === "n" ? 1000 : 100);
    expect(at).toBe(2);
    press("b");
    press("b");
    expect(at).toBe(5);
  });

  test("a space alone, and shortcuts, are not for the tree", () => {
    expect(press(" ")).toBe(false);
    expect(keys.handle({ key: "a", ctrlKey: true, timeStamp: 9e9 } as KeyboardEvent, tree, 0)).toBe(false);
  });
});
