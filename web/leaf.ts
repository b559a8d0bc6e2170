/** A leaf: rows of neighbouring keys in one value of the database, so that a hundred rows cost what one does.
 *
 * The leaves of a space are an object store. The key of a leaf is its fence, the last key that it may hold; that of the last
 * leaf, LAST, comes after every key. So the leaf of a key is the first one at or after it; none there is an empty last one.
 */

import { ABSENT, type Bytes, pack, Reader } from "./packing";

/** The bytes above which a leaf is divided; one row may be larger. */
export const LIMIT = 16 << 10;

/** The same where few rows come behind its last one, as when objects are stored one by one: all of the leaf is read and written each time. */
export const FEW_LIMIT = 4 << 10;

export const FEW = 8; // rows

export const LAST: IDBValidKey = [];

export interface Row {
  key: Bytes;
  value: Bytes;
}

/** What becomes of a row; null: it is deleted. */
export interface Edit {
  key: Bytes;
  value: Bytes | null;
}

/** Rows in the order of their keys; `fence` is null for the last leaf. */
export interface Leaf {
  fence: Bytes | null;
  rows: Row[];
}

/** Less than 0, 0 or more, as keys are ordered: by their bytes, a prefix before what it begins. */
export function compare(one: Bytes, other: Bytes): number {
  const length = Math.min(one.length, other.length);
  for (let at = 0; at < length; at++) {
    const difference = (one[at] as number) - (other[at] as number);
    if (difference !== 0) return difference;
  }
  return one.length - other.length;
}

/** Whether a key may be in the leaf, of the keys that are in none before it. */
export function covers(leaf: Leaf, key: Bytes): boolean {
  return leaf.fence === null || compare(key, leaf.fence) <= 0;
}

/** The place of the first row that is not before the key. */
export function placeOf(rows: Row[], key: Bytes): number {
  let [low, high] = [0, rows.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compare((rows[middle] as Row).key, key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function valueIn(leaf: Leaf, key: Bytes): Bytes | undefined {
  const row = leaf.rows[placeOf(leaf.rows, key)];
  return row !== undefined && compare(row.key, key) === 0 ? row.value : undefined;
}

/** The rows of a leaf with start <= key < end. */
export function rowsBetween(leaf: Leaf, start: Bytes, end: Bytes | null): Row[] {
  return leaf.rows.slice(placeOf(leaf.rows, start), end === null ? undefined : placeOf(leaf.rows, end));
}

/** Edits in the order of their keys, the last one of each. */
export function inOrder(edits: Edit[]): Edit[] {
  const sorted = edits.toSorted((one, other) => compare(one.key, other.key));
  return sorted.filter((edit, index) => {
    const next = sorted[index + 1];
    return next === undefined || compare(edit.key, next.key) !== 0;
  });
}

/** The leaves that a leaf becomes by edits, which it covers and which are in order; the last one has its fence. None: it is empty. */
export function edited({ fence, rows }: Leaf, edits: Edit[]): Leaf[] {
  const [first, last] = [edits[0], rows.at(-1)];
  const appended = first !== undefined && (last === undefined || compare(last.key, first.key) < 0);
  const limit = appended && edits.length < FEW ? FEW_LIMIT : LIMIT;
  return divided(appended ? [...rows, ...edits.filter(isRow)] : merged(rows, edits), fence, limit, appended);
}

function isRow(edit: Edit): edit is Row {
  return edit.value !== null;
}

function merged(rows: Row[], edits: Edit[]): Row[] {
  const found: Row[] = [];
  let at = 0;
  for (const edit of edits) {
    const place = placeOf(rows, edit.key);
    while (at < place) found.push(rows[at++] as Row);
    const held = rows[at];
    if (held !== undefined && compare(held.key, edit.key) === 0) at += 1;
    if (isRow(edit)) found.push(edit);
  }
  while (at < rows.length) found.push(rows[at++] as Row);
  return found;
}

/** Rows as leaves: full ones where they come one after the other, and of like sizes where more may come in between. */
function divided(rows: Row[], fence: Bytes | null, limit: number, full: boolean): Leaf[] {
  if (rows.length === 0) return [];
  const sizes = rows.map(sizeOf);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const most = full ? limit : total / Math.ceil(total / limit);
  const leaves: Leaf[] = [];
  let [begin, held] = [0, 0];
  sizes.forEach((size, index) => {
    if (index > begin && held + (full ? size : size / 2) > most) {
      leaves.push({ fence: (rows[index - 1] as Row).key, rows: rows.slice(begin, index) });
      [begin, held] = [index, 0];
    }
    held += size;
  });
  return [...leaves, { fence, rows: rows.slice(begin) }];
}

function sizeOf({ key, value }: Row): number {
  return key.length + value.length + 8;
}

/** Rows as they cross to Python: the lengths of each key and value by turns, and their bytes one after the other. */
export interface PackedRows {
  lengths: Uint32Array[];
  parts: Bytes[];
}

export function packed(rows: Row[]): PackedRows {
  const parts = rows.flatMap(({ key, value }) => [key, value]);
  return { lengths: [Uint32Array.from(parts, (part) => part.length)], parts };
}

/** A leaf as it is kept, of which ranges are taken: rows that nobody looks at by themselves need not be made. */
export class KeptLeaf {
  readonly fence: Bytes | null;
  readonly count: number;
  private readonly lengths: Uint32Array; // of each key and value by turns
  private readonly starts: Uint32Array; // of each row, and the end
  private readonly bytes: Bytes;

  constructor(data: ArrayBuffer) {
    const reader = new Reader(new Uint8Array(data));
    const [count, fenceLength] = [reader.number(), reader.number()];
    this.fence = fenceLength === ABSENT ? null : reader.bytesOf(fenceLength);
    this.count = count;
    this.bytes = new Uint8Array(data);
    this.lengths = new Uint32Array(data, 12, 2 * count); // behind three words
    this.starts = new Uint32Array(count + 1);
    let end = 12 + 8 * count + (this.fence?.length ?? 0);
    for (let index = 0; index <= count; index++) {
      this.starts[index] = end;
      end += (this.lengths[2 * index] ?? 0) + (this.lengths[2 * index + 1] ?? 0);
    }
  }

  /** The places (from, to) of the rows with start <= key < end. */
  span(start: Bytes, end: Bytes | null): [number, number] {
    return [this.placeOf(start), end === null ? this.count : this.placeOf(end)];
  }

  /** Add the rows of these places to others. */
  append(rows: PackedRows, from: number, to: number): void {
    if (from >= to) return;
    rows.lengths.push(this.lengths.subarray(2 * from, 2 * to));
    rows.parts.push(this.bytes.subarray(this.starts[from], this.starts[to]));
  }

  private placeOf(key: Bytes): number {
    let [low, high] = [0, this.count];
    while (low < high) {
      const middle = (low + high) >> 1;
      const start = this.starts[middle] as number;
      if (compare(this.bytes.subarray(start, start + (this.lengths[2 * middle] as number)), key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** The key of a leaf in its object store. */
export function keyOf(leaf: Leaf): IDBValidKey {
  return leaf.fence ?? LAST;
}

export function writeLeaf({ fence, rows }: Leaf): ArrayBuffer {
  const head = [rows.length, fence?.length ?? ABSENT];
  const parts = fence === null ? [] : [fence];
  for (const { key, value } of rows) {
    head.push(key.length, value.length);
    parts.push(key, value);
  }
  return pack(head, parts).buffer;
}

export function readLeaf(data: ArrayBuffer): Leaf {
  const reader = new Reader(new Uint8Array(data));
  const [count, fenceLength] = [reader.number(), reader.number()];
  const fence = fenceLength === ABSENT ? null : reader.bytesOf(fenceLength);
  const rows: Row[] = [];
  for (let index = 0; index < count; index++) {
    const [keyLength, valueLength] = [reader.number(), reader.number()];
    rows.push({ key: reader.bytesOf(keyLength), value: reader.bytesOf(valueLength) });
  }
  return { fence, rows };
}
