import { expect, test } from "vitest";
import type { Pointer } from "../../protocol";
import { PAGE, type Port } from "../port";
import { comesBefore } from "../logic/tree";
import { FileTree } from "./filetree.svelte";

/** Numbers that come again with each run. */
function numbers(seed: number): (below: number) => number {
  let state = seed * 2654435761 + 1;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const pointer = (path: string, name: string, type: string): Pointer =>
  ({ uuid: `${path}/${name}`, name, path, type, version: 1, node: "n" }) as Pointer;

/** A filesystem of one directory, listed in pages in the order of its names. */
function serve(held: Set<string>): Port {
  const after = (cursor: string): string[] => [...held].sort().filter((name) => cursor === "" || comesBefore(cursor, name));
  const call = (name: string, { path, cursor, limit }: { path: string; cursor: string; limit: number }): unknown => {
    if (name === "pages") {
      const all = after("");
      return { cursors: all.filter((_, at) => at > 0 && at % limit === 0).map((_, at) => all[(at + 1) * limit - 1]) };
    }
    const rest = path === "/" ? ["many"].filter((each) => comesBefore(cursor, each)) : after(cursor);
    const page = rest.slice(0, limit);
    const entries = page.map((each) => pointer(path, each, path === "/" ? "directory" : "file"));
    return { entries, cursor: rest.length > limit ? page.at(-1) : "", missing: [], away: {}, stale: "" };
  };
  return { on: () => undefined, call: async (name: string, payload: never) => call(name, payload) } as unknown as Port;
}

const NAMES = Array.from({ length: 2_300 }, (_, at) => `o${String(at).padStart(4, "0")}`);

test.each([1, 2, 3, 4, 5, 6, 7, 8])("whatever was listed of a directory before, a path is found when it is there (%i)", async (seed) => {
  const below = numbers(seed);
  const some = (): string => NAMES[below(NAMES.length)] as string;
  const held = new Set(NAMES.filter(() => below(10) > 0));
  const tree = new FileTree(serve(held), "cluster");
  for (let step = 0; step < 40; step += 1) {
    const name = some();
    const deed = below(6);
    if (deed === 0) await tree.more("/many");
    else if (deed === 1) await tree.earlier("/many");
    else if (deed === 2) await tree.refresh();
    else if (deed === 3) held.add(name);
    else if (deed === 4 && tree.find(`/many/${name}`) === undefined) held.delete(name); // what is shown is told by a change
    else expect((await tree.reveal(`/many/${name}`)) !== undefined, name).toBe(held.has(name) || tree.find(`/many/${name}`) !== undefined);
  }
  const shown = tree.rows.flatMap((row) => (row.kind === "entry" && row.level === 3 ? [row.name] : []));
  expect(shown).toEqual([...shown].sort());
});

test.each([1, 2, 3, 4])("a directory that is led to lies open, and one that was folded where the keyboard is stays so (%i)", async (seed) => {
  const below = numbers(seed);
  const inside = new Map<string, string[]>([["/", []]]);
  for (let count = 0; count < 40; count += 1) {
    const all = [...inside.keys()];
    const parent = all[below(all.length)] as string;
    inside.get(parent)?.push(`d${count}`);
    inside.set(parent === "/" ? `/d${count}` : `${parent}/d${count}`, []);
  }
  const list = ({ path }: { path: string }): unknown => {
    const entries = [...(inside.get(path) ?? [])].sort().map((name) => pointer(path, name, "directory"));
    return { entries, cursor: "", missing: [], away: {}, stale: "" };
  };
  const tree = new FileTree({ on: () => undefined, call: async (_: string, payload: never) => list(payload) } as unknown as Port, "local");
  const isOpen = (path: string): boolean | undefined =>
    tree.rows.flatMap((row) => (row.kind === "entry" && row.path === path ? [row.expanded] : []))[0];
  for (let step = 0; step < 40; step += 1) {
    const paths = [...inside.keys()].filter((each) => each !== "/");
    const path = paths[below(paths.length)] as string;
    await tree.reveal(path);
    expect(isOpen(path), path).toBe(true);
    tree.collapse(path);
    await tree.reveal(path);
    expect(isOpen(path), path).toBe(false);
    if (below(2) === 0) tree.expand(path);
    tree.focus = "/"; // whoever goes elsewhere and comes back
  }
});

test("a page is listed once, however often it is asked for at a time", async () => {
  const tree = new FileTree(serve(new Set(NAMES)), "cluster");
  await Promise.all([tree.more("/"), tree.more("/")]);
  for (let page = 1; page < 6; page += 1) {
    await Promise.all([tree.more("/many"), tree.more("/many"), tree.more("/many")]);
    expect(tree.find("/many")?.children?.length).toBe(Math.min(page * PAGE, NAMES.length));
  }
});
