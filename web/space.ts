/** A space of rows within one transaction of the database: row by row, or many in a leaf (leaf.ts).
 *
 * A transaction ends as soon as nobody issues a request in time: await nothing but its own requests in between.
 */

import { compare, covers, type Edit, edited, inOrder, KeptLeaf, keyOf, type Leaf, type PackedRows, packed, readLeaf, type Row, rowsBetween, valueIn, writeLeaf } from "./leaf";
import type { Bytes } from "./packing";

/** Where rows are small and many come at once. The others hold large values, or rows that come one by one. */
const IN_LEAVES: readonly string[] = ["entries", "versions", "links", "indexes"];

const AT_ONCE = 8; // reads of leaves under way: each says only where the next one is
const ROWS_OF_LEAF = 64; // of entries, some 80; of versions, 30
const FEW_ROWS = 24; // most likely in one leaf
const MOST_LEAVES = 64; // of one request: a megabyte

export interface Space {
  /** The values of `read`; what a `write` to the keys `written` needs is read with them. */
  load(read: Bytes[], written?: Bytes[]): Promise<(Bytes | undefined)[]>;
  /** At most `limit` rows with start <= key < end, from the start or (reverse) from the end. */
  scan(start: Bytes, end: Bytes | null, limit: number, reverse: boolean): Promise<PackedRows>;
  /** The number of rows with start <= key < end. */
  count(start: Bytes, end: Bytes | null): Promise<number>;
  /** Apply edits, in their order, to keys that were loaded as `written`. */
  write(edits: Edit[]): void;
}

/** The object store of a space. */
export function storeOf(space: string): string {
  return IN_LEAVES.includes(space) ? `${space}-leaves` : space;
}

export function openSpace(transaction: IDBTransaction, space: string): Space {
  const store = transaction.objectStore(storeOf(space));
  return IN_LEAVES.includes(space) ? new LeafSpace(store) : new RowSpace(store);
}

/** The result of a request, which rejects when it fails. */
export function resultOf<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error as DOMException);
  });
}

/** A range of keys, or of leaves by their fences. */
function rangeOf(start: Bytes, end: Bytes | null): IDBKeyRange {
  return end === null ? IDBKeyRange.lowerBound(start) : IDBKeyRange.bound(start, end, false, true);
}

/** What a cursor that goes back gives, until it is enough: only a cursor goes backwards in every browser. */
function backwards(store: IDBObjectStore, range: IDBKeyRange, take: (key: IDBValidKey, value: ArrayBuffer) => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = store.openCursor(range, "prev");
    request.onerror = () => reject(request.error as DOMException);
    request.onsuccess = () => {
      const cursor = request.result;
      if (cursor && take(cursor.key, cursor.value as ArrayBuffer)) cursor.continue();
      else resolve();
    };
  });
}

class RowSpace implements Space {
  private readonly store: IDBObjectStore;

  constructor(store: IDBObjectStore) {
    this.store = store;
  }

  async load(read: Bytes[]): Promise<(Bytes | undefined)[]> {
    const values = await Promise.all(read.map((key) => resultOf<ArrayBuffer | undefined>(this.store.get(key))));
    return values.map((value) => value && new Uint8Array(value));
  }

  async scan(start: Bytes, end: Bytes | null, limit: number, reverse: boolean): Promise<PackedRows> {
    return packed(await this.rows(start, end, limit, reverse));
  }

  async rows(start: Bytes, end: Bytes | null, limit: number, reverse: boolean): Promise<Row[]> {
    const range = rangeOf(start, end);
    if (reverse) {
      const rows: Row[] = [];
      await backwards(this.store, range, (key, value) => rows.push(rowOf(key, value)) < limit);
      return rows;
    }
    const [keys, values] = await Promise.all([
      resultOf(this.store.getAllKeys(range, limit)),
      resultOf(this.store.getAll(range, limit) as IDBRequest<ArrayBuffer[]>),
    ]);
    return keys.map((key, index) => rowOf(key, values[index] as ArrayBuffer));
  }

  count(start: Bytes, end: Bytes | null): Promise<number> {
    return resultOf(this.store.count(rangeOf(start, end)));
  }

  write(edits: Edit[]): void {
    for (const { key, value } of edits) {
      if (value === null) this.store.delete(key);
      else this.store.put(value.slice().buffer, key); // a view would be stored with all that is around it
    }
  }
}

function rowOf(key: IDBValidKey, value: ArrayBuffer): Row {
  return { key: new Uint8Array(key as ArrayBuffer), value: new Uint8Array(value) };
}

/** The leaves that were read of a space, in order. */
class LeafSpace implements Space {
  private readonly store: IDBObjectStore;
  private leaves: Leaf[] = [];

  constructor(store: IDBObjectStore) {
    this.store = store;
  }

  async load(read: Bytes[], written: Bytes[] = []): Promise<(Bytes | undefined)[]> {
    const keys = [...read, ...written].sort(compare).filter((key, index, all) => index === 0 || compare(key, all[index - 1] as Bytes) !== 0);
    const length = Math.ceil(keys.length / AT_ONCE);
    const parts = Array.from({ length: AT_ONCE }, (_, index) => keys.slice(index * length, (index + 1) * length));
    const found = (await Promise.all(parts.map((part) => this.leavesOf(part)))).flat();
    this.leaves = found.filter((leaf, index) => index === 0 || !isSame(leaf, found[index - 1] as Leaf));
    return read.map((key) => valueIn(this.leafOf(key), key));
  }

  async scan(start: Bytes, end: Bytes | null, limit: number, reverse: boolean): Promise<PackedRows> {
    if (reverse) return packed(await this.scanBack(start, end, limit));
    const rows: PackedRows = { lengths: [], parts: [] };
    await this.along(start, end, limit, (leaf, from, to) => leaf.append(rows, from, to));
    return rows;
  }

  async count(start: Bytes, end: Bytes | null): Promise<number> {
    return await this.along(start, end, Infinity);
  }

  write(edits: Edit[]): void {
    const sorted = inOrder(edits);
    let at = 0;
    while (at < sorted.length) {
      const leaf = this.leafOf((sorted[at] as Edit).key);
      let next = at + 1;
      while (next < sorted.length && covers(leaf, (sorted[next] as Edit).key)) next += 1;
      this.replace(leaf, edited(leaf, sorted.slice(at, next)));
      at = next;
    }
  }

  private replace(leaf: Leaf, leaves: Leaf[]): void {
    for (const each of leaves) this.store.put(writeLeaf(each), keyOf(each));
    if (leaves.length === 0) this.store.delete(keyOf(leaf));
  }

  /** The leaves of keys, which are in order, one after the other. */
  private async leavesOf(keys: Bytes[]): Promise<Leaf[]> {
    const found: Leaf[] = [];
    for (const key of keys) {
      const last = found.at(-1);
      if (last === undefined || !covers(last, key)) found.push(await this.at(key));
    }
    return found;
  }

  /** The leaf of a key, from the database. */
  private async at(key: Bytes): Promise<Leaf> {
    const data = await this.first(IDBKeyRange.lowerBound(key));
    return data === undefined ? { fence: null, rows: [] } : readLeaf(data);
  }

  /** The leaf of a key among those that were read. */
  private leafOf(key: Bytes): Leaf {
    let [low, high] = [0, this.leaves.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (covers(this.leaves[middle] as Leaf, key)) high = middle;
      else low = middle + 1;
    }
    return this.leaves[low] as Leaf;
  }

  /** Take the places of at most `limit` rows, leaf by leaf; their number.
   *
   * Fences within the range are those of leaves that end in it. What lies behind them is in one more leaf, which is asked for at the
   * same time: so most ranges take one or two turns of the database. A few rows are most likely in one leaf. How many leaves hold so
   * many rows is known from those that were read.
   */
  private async along(start: Bytes, end: Bytes | null, limit: number, take?: (leaf: KeptLeaf, from: number, to: number) => void): Promise<number> {
    let taken = 0;
    const add = (data: ArrayBuffer): Bytes | null => {
      const leaf = new KeptLeaf(data);
      const [from, to] = leaf.span(start, end);
      const until = Math.min(to, from + limit - taken);
      take?.(leaf, from, until);
      taken += Math.max(until - from, 0);
      return leaf.fence;
    };
    const few = limit <= FEW_ROWS;
    let [read, rowsOfLeaf] = [0, ROWS_OF_LEAF];
    const behind = end === null || few ? undefined : this.first(IDBKeyRange.lowerBound(end));
    let range = behind ? rangeOf(start, end) : IDBKeyRange.lowerBound(start);
    while (taken < limit) {
      const count = Math.min(MOST_LEAVES, Math.ceil((limit - taken) / rowsOfLeaf));
      const [leaves, last] = await Promise.all([this.all(range, count), behind]);
      const fence = leaves.map(add).at(-1) ?? null;
      if (leaves.length < count || fence === null) {
        if (last) add(last);
        break;
      }
      if (end !== null && compare(fence, end) >= 0) break;
      read += count;
      rowsOfLeaf = Math.max(taken, 1) / read;
      range = behind ? IDBKeyRange.bound(fence, end, true, true) : IDBKeyRange.lowerBound(fence, true);
    }
    return taken;
  }

  private all(range: IDBKeyRange, count: number): Promise<ArrayBuffer[]> {
    return resultOf(this.store.getAll(range, count));
  }

  private first(range: IDBKeyRange): Promise<ArrayBuffer | undefined> {
    return resultOf(this.store.get(range));
  }

  private async scanBack(start: Bytes, end: Bytes | null, limit: number): Promise<Row[]> {
    const rows: Row[] = [];
    const take = (leaf: Leaf): boolean => {
      append(rows, rowsBetween(leaf, start, end).reverse());
      return rows.length < limit;
    };
    if (end === null || take(await this.at(end))) {
      await backwards(this.store, rangeOf(start, end), (_, value) => take(readLeaf(value)));
    }
    return rows.slice(0, limit);
  }
}

function append(rows: Row[], more: Row[]): void {
  for (const row of more) rows.push(row);
}

function isSame(one: Leaf, other: Leaf): boolean {
  return one.fence === null || other.fence === null ? one.fence === other.fence : compare(one.fence, other.fence) === 0;
}

/** Put the rows of a space that has none in leaves yet from an object store of single rows; resolves when all are issued. */
export async function packRows(rows: IDBObjectStore, transaction: IDBTransaction, space: string): Promise<void> {
  const old = new RowSpace(rows);
  let start: Bytes = new Uint8Array();
  let more = true;
  while (more) {
    const page = await old.rows(start, null, PAGE, false);
    const leaves = openSpace(transaction, space);
    await leaves.load([], [page[0]?.key ?? start]);
    leaves.write(page);
    more = page.length === PAGE;
    start = new Uint8Array([...(page.at(-1)?.key ?? start), 0]);
  }
}

const PAGE = 1000; // rows at a time
