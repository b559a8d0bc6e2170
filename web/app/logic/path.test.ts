import { describe, expect, test } from "vitest";
import { ancestors, checkName, checkPath, childPath, isWithin, nameOf, parentPath, readPath } from "./path";

describe("paths", () => {
  test("split and join", () => {
    expect(childPath("/", "a")).toBe("/a");
    expect(childPath("/a", "b")).toBe("/a/b");
    expect(parentPath("/a/b")).toBe("/a");
    expect(parentPath("/a")).toBe("/");
    expect(nameOf("/a/b")).toBe("b");
    expect(nameOf("/")).toBe("/");
  });

  test("ancestors are the directories on the way", () => {
    expect(ancestors("/a/b/c")).toEqual(["/", "/a", "/a/b"]);
    expect(ancestors("/")).toEqual([]);
  });

  test("within means at or below, not merely the same beginning", () => {
    expect(isWithin("/ab", "/a")).toBe(false);
    expect(isWithin("/a/b", "/a")).toBe(true);
    expect(isWithin("/a", "/a")).toBe(true);
    expect(isWithin("/x", "/")).toBe(true);
  });

  test("typed paths are forgiven", () => {
    expect(readPath("  inventory/widget1/ ")).toBe("/inventory/widget1");
    expect(readPath("")).toBe("/");
  });

  test("bad names and paths are told apart", () => {
    expect(checkName("größe 😀")).toBeNull();
    expect(checkName("")).toMatch(/name/);
    expect(checkName("..")).toMatch(/full/);
    expect(checkName("a\u0000")).toMatch(/control/);
    expect(checkName("x".repeat(256))).toMatch(/255/);
    expect(checkPath("a/b")).toMatch(/Begin/);
    expect(checkPath("/a//b")).toMatch(/slashes/);
    expect(checkPath("/a/../b")).toMatch(/full/);
    expect(checkPath("/")).toBeNull();
    expect(checkPath("/a/b/")).toBeNull();
  });
});
