import { describe, expect, test } from "vitest";
import type { Pointer } from "../../protocol";
import { comesBefore, cursorBefore, findTyped, followMove, parentRow, shiftOf, Tree, waits, type Change } from "./tree";

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

/** The same numbers every time, from 0 to below `below`. */
function generator(seed: number): (below: number) => number {
  let state = seed * 2 + 1;
  return (below) => {
    state = (state * 48271) % 2147483647;
    return state % below;
  };
}

/** A filesystem with two directories, and the page that lists it: what is asked is read at once and arrives later. */
class Pair {
  readonly tree = new Tree();
  stored = new Map<string, Pointer>([["/d", pointer("/", "d", "directory")]]);
  #told: Change[] = [];
  #lists: (() => void)[] = [];
  #dirty = new Set<string>(["/"]);

  change(path: string, remove: boolean): void {
    const [directory, name] = path.startsWith("/d/") ? ["/d", path.slice(3)] : ["/", path.slice(1)];
    const version = (this.stored.get(path)?.version ?? 0) + 1;
    if (remove) this.stored.delete(path);
    else this.stored.set(path, { ...pointer(directory, name), version });
    this.#told.push(change(remove ? "rm" : "store", path, { ...pointer(directory, name), version }));
  }

  /** The next change arrives at the page; whether there was one. */
  hear(): boolean {
    const next = this.#told.shift();
    if (next !== undefined) this.#mark(this.tree.apply(next));
    return next !== undefined;
  }

  open(path: string): void {
    this.#dirty.add(path);
  }

  /** Whether there was a directory to list. */
  ask(): boolean {
    const [path] = this.#dirty;
    if (path === undefined) return false;
    this.#dirty.delete(path);
    const takenOver = this.tree.read();
    const entries = [...this.stored.values()].filter((each) => each.path === path);
    this.#lists.push(() => {
      this.tree.replace(path, entries, "");
      this.#mark(takenOver());
    });
    return true;
  }

  /** The list that was asked for first arrives; whether there was one. */
  list(): boolean {
    const next = this.#lists.shift();
    next?.();
    return next !== undefined;
  }

  shown(): [string, number][] {
    const children = ["/", "/d"].flatMap((path) => this.tree.find(path)?.children ?? []);
    return children.map((child): [string, number] => [child.path, child.pointer?.version ?? 0]).sort();
  }

  #mark(paths: string[]): void {
    for (const path of paths) this.#dirty.add(path);
  }
}

test("what is changed at any moment around listing is shown in the end", () => {
  for (let seed = 0; seed < 500; seed += 1) {
    const next = generator(seed);
    const pair = new Pair();
    for (let step = 0; step < 40; step += 1) {
      const path = `${next(2) === 0 ? "/" : "/d/"}${"xyz"[next(3)]}`;
      [() => pair.change(path, next(3) === 0), () => pair.hear(), () => pair.ask(), () => pair.list(), () => pair.open("/d")][next(5)]?.();
    }
    if (pair.tree.find("/d")?.children == null) pair.open("/d");
    while (pair.hear() || pair.list() || pair.ask());
    expect(pair.shown(), `seed ${seed}`).toEqual([...pair.stored].map(([path, { version }]) => [path, version]).sort());
  }
});

test("no two rows are the same, whatever was listed and whatever failed", () => {
  const failure = { code: "Unavailable", message: "", path: null, remedy: null, traceback: null };
  for (const entries of [null, [], [pointer("/", "a", "directory")]])
    for (const cursor of ["", "next"])
      for (const failed of [null, failure]) {
        const tree = new Tree();
        if (entries !== null) tree.append("/", entries, cursor);
        tree.root.failure = failed;
        const keys = tree.rows().map((row) => row.key);
        expect(new Set(keys).size, `${entries?.length} ${cursor} ${failed?.code}: ${keys}`).toBe(keys.length);
        const told = tree.rows().filter((row) => row.kind === "more" && row.failure !== null);
        expect(told.length).toBe(failed === null ? 0 : 1);
      }
});

describe("nodes that are away", () => {
  const shelf = pointer("/", "shelf", "directory");
  const lack = { missing: ["shed"], away: { shelf: "shed" } };

  test("what was last seen of a directory does not take its mark away, what it holds now does", () => {
    const tree = sample();
    tree.replace("/", [pointer("/", "shelf", "directory")], "", lack);
    for (const list of [tree.append.bind(tree), tree.replace.bind(tree)]) {
      list("/shelf", [pointer("/shelf", "w")], "", { missing: [], away: {}, stale: "2026-11-30T12:00:00Z" });
      expect(tree.find("/shelf")?.away).toBe("shed");
    }
    tree.replace("/shelf", [pointer("/shelf", "w")], "");
    expect(tree.find("/shelf")?.away).toBe("");
  });

  test("an entry on one is marked until its directory is listed without it", () => {
    const tree = new Tree();
    tree.append("/", [pointer("/", "a"), shelf], "", lack);
    expect([tree.find("/a")?.away, tree.find("/shelf")?.away]).toEqual(["", "shed"]);
    expect(tree.lacking()).toEqual(["/"]);
    tree.replace("/", [pointer("/", "a"), shelf], "");
    expect([tree.find("/shelf")?.away, tree.lacking()]).toEqual(["", []]);
  });

  test("what was listed of one is listed again when it goes, and when it is back", () => {
    const tree = new Tree();
    tree.append("/", [shelf], "");
    tree.append("/shelf", [pointer("/shelf", "x")], "");
    expect(tree.replace("/", [shelf], "", lack)).toEqual(["/shelf"]);
    expect(tree.replace("/", [shelf], "", lack)).toEqual([]);
    expect(tree.replace("/", [shelf], "")).toEqual(["/shelf"]);
  });

  test("one that could not be opened can be once its node is back", () => {
    const tree = new Tree();
    tree.append("/", [shelf], "", lack);
    const branch = tree.find("/shelf");
    if (branch === undefined) throw new Error("it is there");
    branch.failure = { code: "Unavailable", message: "", path: null, remedy: null, traceback: null };
    tree.replace("/", [shelf], "", lack);
    expect(branch.failure).not.toBeNull();
    tree.replace("/", [shelf], "");
    expect(branch.failure).toBeNull();
  });

  test("what any page lacks, the directory lacks", () => {
    const tree = new Tree();
    tree.append("/", [shelf], "next", lack);
    tree.append("/", [pointer("/", "w", "directory")], "", { missing: ["shed", "barn"], away: { w: "barn" } });
    expect(tree.find("/")?.missing).toEqual(["shed", "barn"]);
    expect([tree.find("/shelf")?.away, tree.find("/w")?.away]).toEqual(["shed", "barn"]);
  });
});

describe("a part of a directory far from its first entry", () => {
  test("says that there are more before it, and takes them above", () => {
    const tree = sample();
    tree.jump("/a", "l", [pointer("/a", "m"), pointer("/a", "n")], "n");
    expect(names(tree)).toEqual(["/", "/a", "more", "/a/m", "/a/n", "more", "/b", "/c"]);
    expect(tree.find("/a/x")).toBeUndefined();
    tree.prepend("/a", "", [pointer("/a", "k"), pointer("/a", "m")]);
    expect(names(tree)).toEqual(["/", "/a", "/a/k", "/a/m", "/a/n", "more", "/b", "/c"]);
  });

  test("what is in view stays there, whatever comes or goes elsewhere", () => {
    const name = (number: number): string => `n${String(number).padStart(3, "0")}`;
    for (let seed = 0; seed < 500; seed += 1) {
      const next = generator(seed);
      const tree = sample();
      const some = (): Pointer[] => [...Array(100).keys()].filter(() => next(3) > 0).map((number) => pointer("/a", name(number)));
      const from = next(60);
      tree.jump("/a", name(from), some().filter((each) => each.name > name(from)), "more");
      const before = tree.rows();
      const first = next(before.length);
      const last = Math.min(first + next(12), before.length - 1);
      const act = next(3);
      if (act === 0) tree.prepend("/a", next(2) === 0 ? "" : name(from >> 1), [...Array(from + 1).keys()].filter((number) => number > from >> 1).map((number) => pointer("/a", name(number))));
      else if (act === 1) tree.replace("/a", some(), "more");
      else tree.append("/a", [pointer("/a", "z1"), pointer("/a", "z2")], "");
      const after = tree.rows();
      const shift = shiftOf(before, after, first, last);
      const back = before.slice(first, last + 1).findLastIndex((row) => row.kind === "more" && row.back);
      const seen = before.slice(first, last + 1);
      const held = [...seen.slice(back + 1), ...seen.slice(0, back + 1)].filter((row) => row.kind === "entry" && after.some(({ key }) => key === row.key));
      if (held.length === 0) expect(shift, `seed ${seed}`).toBe(0);
      else expect(after[before.indexOf(held[0] as (typeof before)[0]) + shift]?.key, `seed ${seed}`).toBe(held[0]?.key);
    }
  });

  test("what is led to stays in view: the rest of a listing above it waits, and no other", () => {
    const tree = sample(); // "/", "/a", "/a/x", "/a/y", more, "/b", "/c"
    const rows = tree.rows();
    const more = rows.findIndex(({ kind }) => kind === "more");
    for (let first = 0; first < rows.length; first += 1) {
      for (let last = first; last < rows.length; last += 1) {
        for (let focus = 0; focus < rows.length; focus += 1) {
          const inView = focus >= first && focus <= last;
          expect(rows.map((row, at) => waits(row, at, focus, first, last)).indexOf(true)).toBe(inView && focus > more ? more : -1);
        }
      }
    }
  });

  test("a cursor before a name has nothing between them, whatever they are written in", () => {
    const letters = ["a", "b", "0", "~", "é", "中", "\uD7FF", "\uE000", "\uFFFD", "😀", "\u{10FFFE}", " ", "\u0001"];
    const all = letters.flatMap((one) => ["", ...letters].map((other) => one + other)).sort((one, other) => (comesBefore(one, other) ? -1 : one === other ? 0 : 1));
    for (const [at, name] of all.entries()) {
      const cursor = cursorBefore(name);
      expect(comesBefore(cursor, name)).toBe(true);
      const between = all.slice(0, at).filter((other) => comesBefore(cursor, other));
      expect(between).toEqual([]);
    }
    const bytes = all.map((name) => [...new TextEncoder().encode(name)].map((byte) => byte.toString(16).padStart(2, "0")).join(""));
    expect(bytes).toEqual([...bytes].sort()); // as stores have them
  });
});
