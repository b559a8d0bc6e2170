/** Leaves hold what was put into them, in order, each in the leaf whose fence says so, and none is much too large or too small. */

import { expect, test } from "vitest";
import { compare, covers, type Edit, edited, FEW, FEW_LIMIT, inOrder, KeptLeaf, keyOf, LIMIT, type Leaf, type PackedRows, packed, readLeaf, type Row, rowsBetween, valueIn, writeLeaf } from "./leaf";
import { type Bytes, packWords } from "./packing";

function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => Math.floor(((state = (state * 1103515245 + 12345) & 0x7fffffff) / 0x7fffffff) * below);
}

function keyFrom(next: (below: number) => number): Bytes {
  return Uint8Array.from({ length: next(4) }, () => [0, 1, 97, 255][next(4)] as number);
}

/** A space of leaves in memory, edited as `LeafSpace` edits the database. */
class Space {
  leaves: Leaf[] = [];

  edit(edits: Edit[]): void {
    const sorted = inOrder(edits);
    while (sorted.length > 0) {
      const key = (sorted[0] as Edit).key;
      const leaf = this.leaves.find((each) => covers(each, key)) ?? { fence: null, rows: [] };
      const end = sorted.findIndex((edit) => !covers(leaf, edit.key));
      const becomes = edited(leaf, sorted.splice(0, end < 0 ? sorted.length : end));
      const at = this.leaves.indexOf(leaf);
      this.leaves.splice(at < 0 ? this.leaves.length : at, at < 0 ? 0 : 1, ...becomes.map((each) => readLeaf(writeLeaf(each))));
    }
  }

  rows(): Row[] {
    return this.leaves.flatMap(({ rows }) => rows);
  }
}

const text = (bytes: Bytes): string => [...bytes].join();
const shown = (rows: Row[]): string[] => rows.map(({ key, value }) => `${text(key)}=${value.length}:${value[0] ?? ""}`);

/** The rows of a range, taken out of leaves as they are kept. */
function taken(leaves: Leaf[], start: Bytes, end: Bytes | null): PackedRows {
  const rows: PackedRows = { lengths: [], parts: [] };
  for (const leaf of leaves) {
    const kept = new KeptLeaf(writeLeaf(leaf));
    expect([kept.fence && text(kept.fence), kept.count]).toEqual([leaf.fence && text(leaf.fence), leaf.rows.length]);
    kept.append(rows, ...kept.span(start, end));
  }
  return rows;
}

/** The same in one buffer each. */
function joined({ lengths, parts }: PackedRows): Bytes {
  return packWords(lengths, parts);
}

test("random edits", () => {
  for (let seed = 1; seed <= 15; seed++) {
    const next = random(seed);
    const space = new Space();
    const model = new Map<string, Row>();
    for (let turn = 0; turn < 30; turn++) {
      const edits = Array.from({ length: 1 + next(turn % 5 === 0 ? 120 : 3) }, (): Edit => {
        const size = [0, 3, 300, 2000, LIMIT + 5][next(5)] as number;
        return { key: keyFrom(next), value: next(4) === 0 ? null : new Uint8Array(size).fill(next(256)) };
      });
      space.edit(edits);
      for (const { key, value } of edits) {
        if (value === null) model.delete(text(key));
        else model.set(text(key), { key, value });
      }
      const wanted = [...model.values()].sort((one, other) => compare(one.key, other.key));
      expect(shown(space.rows())).toEqual(shown(wanted));
      space.leaves.forEach((leaf, index) => {
        const before = space.leaves[index - 1];
        expect(leaf.rows.length).toBeGreaterThan(0);
        expect(leaf.rows.every(({ key }) => covers(leaf, key) && !(before && covers(before, key)))).toBe(true);
        expect(leaf.fence === null).toBe(index === space.leaves.length - 1 && keyOf(leaf) === keyOf({ fence: null, rows: [] }));
        if (leaf.rows.length > 2) expect(writeLeaf(leaf).byteLength).toBeLessThan(2 * LIMIT + 2000);
      });
      const [start, end] = [keyFrom(next), keyFrom(next)].sort(compare) as [Bytes, Bytes];
      const between = space.leaves.flatMap((leaf) => rowsBetween(leaf, start, end));
      expect(shown(between)).toEqual(shown(wanted.filter(({ key }) => compare(key, start) >= 0 && compare(key, end) < 0)));
      expect(compare(joined(taken(space.leaves, start, end)), joined(packed(between)))).toBe(0);
      const behind = space.leaves.flatMap((leaf) => rowsBetween(leaf, end, null));
      expect(compare(joined(taken(space.leaves, end, null)), joined(packed(behind)))).toBe(0);
      const held = space.leaves.find((leaf) => covers(leaf, start));
      expect(held && valueIn(held, start)?.length).toBe(model.get(text(start))?.value.length);
    }
  }
});

test.each([1, 7, 1000])("rows that come in order, %i at a time, fill their leaves", (together) => {
  const space = new Space();
  const row = (number: number): Row => ({ key: Uint8Array.of(number >> 8, number & 255), value: new Uint8Array(300) });
  for (let number = 0; number < 2000; number += together) {
    space.edit(Array.from({ length: Math.min(together, 2000 - number) }, (_, index) => row(number + index)));
  }
  expect(space.rows().length).toBe(2000);
  for (const leaf of space.leaves.slice(0, -1)) expect(writeLeaf(leaf).byteLength).toBeGreaterThan((together < FEW ? FEW_LIMIT : LIMIT) - 400);
});

test("rows that come in no order leave their leaves half full at least", () => {
  const next = random(5);
  const space = new Space();
  for (let number = 0; number < 3000; number++) {
    space.edit([{ key: Uint8Array.of(next(256), next(256), next(256)), value: new Uint8Array(300) }]);
  }
  for (const leaf of space.leaves) expect(writeLeaf(leaf).byteLength).toBeGreaterThan(FEW_LIMIT / 2 - 700);
});
