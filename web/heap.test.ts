/** A snapshot in its file is the same snapshot, whatever is in it and in a new heap. */

import { expect, test } from "vitest";
import { headerLength, packSnapshot, unpackHeap } from "./heap.mjs";

const PIECE = 256;

function random(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 1103515245 + 12345) & 0x7fffffff) / 0x7fffffff;
}

/** A heap whose pieces are zeros, those of `other`, or of its own. */
function heapOf(next: () => number, length: number, other: Uint8Array): Uint8Array {
  const heap = new Uint8Array(length);
  for (let at = 0; at < length; at += PIECE) {
    const kind = Math.floor(next() * 4);
    if (kind === 1) heap.set(other.subarray(at, Math.min(at + PIECE, length)), at);
    else if (kind > 1) heap.subarray(at, at + PIECE).forEach((_, index, piece) => (piece[index] = Math.floor(next() * 3)));
  }
  return heap;
}

test("it is packed and unpacked", () => {
  for (let seed = 1; seed < 60; seed++) {
    const next = random(seed);
    const fresh = heapOf(next, PIECE * Math.floor(next() * 12), new Uint8Array());
    const heap = heapOf(next, fresh.length + PIECE * Math.floor(next() * 12), fresh);
    const header = 16 * (1 + Math.floor(next() * 4));
    const snapshot = new Uint8Array(header + heap.length);
    new DataView(snapshot.buffer).setUint32(4, header, true);
    snapshot.set(heap, header);
    const file = packSnapshot(snapshot, fresh);
    expect(headerLength(file)).toBe(header);
    expect(file.slice(0, header)).toEqual(snapshot.slice(0, header));
    const place = new Uint8Array(heap.length);
    place.set(fresh);
    unpackHeap(file, place);
    expect(place).toEqual(heap);
  }
});
