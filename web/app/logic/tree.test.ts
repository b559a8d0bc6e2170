import { describe, expect, test } from "vitest";
import type { Pointer } from "../../protocol";
import { findTyped, followMove, parentRow, Tree, type Change } from "./tree";

const pointer = (path: string, name: string, type = "file"): Pointer => ({
  uuid: `${path}/${name}`,
  name,
  path,
  type,
  class_name: "",
  bundle: "",
  perms: "",
  owner: "",
  group: "",
  size: 1,
  version: 1,
  revision: "r",
  date: "",
  node: "n",
});

const change = (operation: string, path: string, to: Pointer | null = null): Change => ({
  event: "change",
  where: "local",
  operation,
  path,
  pointer: to,
});

function sample(): Tree {
  const tree = new Tree();
  tree.append("/", [pointer("/", "a", "directory"), pointer("/", "b", "directory"), pointer("/", "c")], "");
  const branch = tree.find("/a");
  if (branch !== undefined) branch.expanded = true;
  tree.append("/a", [pointer("/a", "x"), pointer("/a", "y")], "next");
  return tree;
}

const names = (tree: Tree): string[] => tree.rows().map((row) => (row.kind === "entry" ? row.path : row.kind));

describe("rows", () => {
  test("an unlisted root asks to be listed", () => {
    expect(names(new Tree())).toEqual(["/", "more"]);
  });

  test("expanded directories show their entries, and that there are more", () => {
    expect(names(sample())).toEqual(["/", "/a", "/a/x", "/a/y", "more", "/b", "/c"]);
  });

  test("sizes and positions for assistive technology", () => {
    const rows = sample().rows();
    expect(rows[1]).toMatchObject({ level: 2, position: 1, size: 3 });
    expect(rows[2]).toMatchObject({ level: 3, position: 1, size: -1 });
  });

  test("an empty directory says so", () => {
    const tree = sample();
    tree.append("/b", [], "");
    (tree.find("/b") as { expanded: boolean }).expanded = true;
    expect(names(tree)).toContain("empty");
  });

  test("parents and type-ahead", () => {
    const rows = sample().rows();
    expect(parentRow(rows, 3)).toBe(1);
    expect(parentRow(rows, 0)).toBe(-1);
    expect(findTyped(rows, 2, "B")).toBe(5);
    expect(findTyped(rows, 6, "x")).toBe(2);
    expect(findTyped(rows, 0, "zz")).toBe(-1);
  });

  test("20,000 rows are made in a blink", () => {
    const tree = new Tree();
    tree.append(
      "/",
      Array.from({ length: 20_000 }, (_, i) => pointer("/", `n${i}`)),
      "",
    );
    const start = performance.now();
    expect(tree.rows().length).toBe(20_001);
    expect(performance.now() - start).toBeLessThan(200);
  });
});

describe("pages", () => {
  test("the same entry twice is shown once", () => {
    const tree = sample();
    tree.append("/a", [pointer("/a", "y"), pointer("/a", "z")], "");
    expect(tree.find("/a")?.children?.map((child) => child.path)).toEqual(["/a/x", "/a/y", "/a/z"]);
  });

  test("replacing keeps what stayed open and forgets what went", () => {
    const tree = sample();
    tree.replace("/", [pointer("/", "a", "directory"), pointer("/", "d")], "");
    expect(names(tree)).toEqual(["/", "/a", "/a/x", "/a/y", "more", "/d"]);
    tree.replace("/", [pointer("/", "d")], "");
    expect(tree.find("/a/x")).toBeUndefined();
  });

  test("a file that became a directory starts anew", () => {
    const tree = sample();
    tree.replace("/", [pointer("/", "c", "directory")], "");
    expect(tree.find("/c")).toMatchObject({ directory: true, children: null });
  });
});

describe("changes", () => {
  test("a new version of a known entry is taken over in place", () => {
    const tree = sample();
    expect(tree.apply(change("update", "/a/x", { ...pointer("/a", "x"), version: 2 }))).toEqual([]);
    expect(tree.find("/a/x")?.pointer?.version).toBe(2);
  });

  test("a new or removed entry has its directory listed again", () => {
    expect(sample().apply(change("store", "/a/new", pointer("/a", "new")))).toEqual(["/a"]);
    expect(sample().apply(change("rm", "/a/x"))).toEqual(["/a"]);
  });

  test("deep below a directory that is not listed, nothing changes", () => {
    expect(sample().apply(change("store", "/b/deep/er", pointer("/b/deep", "er")))).toEqual([]);
  });

  test("a whole new directory shows in the nearest listed one", () => {
    expect(sample().apply(change("store", "/new/deep", pointer("/new", "deep")))).toEqual(["/"]);
  });

  test("a move has both sides listed again", () => {
    const moved = { ...pointer("/", "x"), uuid: "/a/x" };
    expect(sample().apply(change("mv", "/x", moved)).sort()).toEqual(["/", "/a"]);
  });

  test("many changes at once list everything below again, and what shows the directory", () => {
    expect(sample().apply(change("many", "/"))).toEqual(["/", "/a"]);
    expect(sample().apply(change("many", "/a"))).toEqual(["/", "/a"]);
    expect(sample().apply(change("many", "/b"))).toEqual(["/"]);
  });

  test("a selection follows a move", () => {
    expect(followMove("/a/x", "/a", "/z")).toBe("/z/x");
    expect(followMove("/a", "/a", "/z")).toBe("/z");
    expect(followMove("/ab", "/a", "/z")).toBeNull();
  });
});
