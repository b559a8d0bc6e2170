/** The IndexedDB half of py/emerge_wasm/stores/indexeddb/store.py: one call and one packed buffer each way per operation.
 *
 * Why here and not in Python: a transaction ends as soon as nobody issues a request in time, so all its requests are
 * issued in one go; and each crossing costs, so many records travel in one buffer. Must not import anything of the page.
 */

import { deleteDB, openDB, unwrap } from "idb";
import { ABSENT, type Bytes, pack, Reader } from "./packing";
import { plainly } from "./plainly";

const FORMAT = 4; // 2: the space links came; 3: receipts; 4: blocks
const COUNTERS = "counters"; // the last number that an append got, by space
const PATIENCE = 2000; // ms for other tabs to let go of an older version

type Durability = "strict" | "relaxed";

/** A settled transaction: resolves when its data are kept, rejects when nothing of it was applied. */
function settled(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error ?? new DOMException("it was aborted", "AbortError"));
  });
}

/** Issue a transaction's requests; a request that cannot even be issued undoes those before it. */
async function run(transaction: IDBTransaction, issue: () => void): Promise<void> {
  const done = settled(transaction);
  try {
    issue();
  } catch (error) {
    done.catch(() => {});
    transaction.abort();
    throw error;
  }
  await done;
}

/** Same bytes, or both absent. */
function same(held: ArrayBuffer | undefined, expected: ArrayBuffer | null): boolean {
  if (held === undefined || expected === null) return held === undefined && expected === null;
  return indexedDB.cmp(held, expected) === 0;
}

function rangeOf(start: Bytes, end: Bytes | null): IDBKeyRange {
  return end === null ? IDBKeyRange.lowerBound(start) : IDBKeyRange.bound(start, end, false, true);
}

function numberKey(number: number): Bytes {
  const key = new Uint8Array(8);
  new DataView(key.buffer).setBigUint64(0, BigInt(number));
  return key;
}

interface Change {
  expects: { space: string; key: Bytes; value: ArrayBuffer | null }[];
  deletes: { space: string; key: Bytes }[];
  puts: { space: string; key: Bytes; value: ArrayBuffer }[];
  appends: { space: string; value: ArrayBuffer }[];
  counts: { space: string; start: Bytes; end: Bytes | null; count: number }[];
}

/** An opened database. Every method takes and gives packed buffers; spaces are indexes into `spaces`. */
export class Database {
  private readonly database: IDBDatabase;
  private readonly spaces: string[];
  private readonly durability: Durability;
  private readonly pending = new Set<Promise<unknown>>();

  constructor(database: IDBDatabase, spaces: string[], durability: Durability) {
    this.database = database;
    this.spaces = spaces;
    this.durability = durability;
  }

  /** In: count, then (space, key length) of each. Out: the length of each value, or ABSENT. */
  get(request: Bytes): Promise<Uint8Array> {
    return this.track(async () => {
      const reader = new Reader(request);
      const wanted = Array.from({ length: reader.number() }, () => this.keyOf(reader));
      const transaction = this.database.transaction([...new Set(wanted.map(({ space }) => space))], "readonly");
      let requests: IDBRequest<ArrayBuffer | undefined>[] = [];
      await run(transaction, () => {
        requests = wanted.map(({ space, key }) => transaction.objectStore(space).get(key));
      });
      const values = requests.map((each) => each.result);
      return pack(
        values.map((value) => value?.byteLength ?? ABSENT),
        values.filter((value) => value !== undefined),
      );
    });
  }

  /** In: space, length of start, length of end or ABSENT, limit, reverse. Out: (key length, value length) of each row. */
  scan(request: Bytes): Promise<Uint8Array> {
    return this.track(async () => {
      const reader = new Reader(request);
      const [space, startLength, endLength] = [this.space(reader.number()), reader.number(), reader.number()];
      const [limit, reverse] = [reader.number(), reader.number() === 1];
      const range = rangeOf(reader.key(startLength), endLength === ABSENT ? null : reader.key(endLength));
      const transaction = this.database.transaction(space, "readonly");
      let page: () => ArrayBuffer[] = () => [];
      await run(transaction, () => {
        page = (reverse ? scanBack : scanOn)(transaction.objectStore(space), range, limit);
      });
      const rows = page();
      return pack(
        rows.map((part) => part.byteLength),
        rows,
      );
    });
  }

  /** In: how many there are of each of expects (space, key length, value length or ABSENT), deletes (space, key
   * length), puts (space, key length, value length), appends (space, value length) and counts (space, start length,
   * end length or ABSENT, count), then these.
   * Out: index of the first failed expectation, counts after expects, or ABSENT, then the number of each append as (high, low) word. */
  commit(request: Bytes): Promise<Uint8Array> {
    return this.track(async () => {
      const change = this.changeOf(new Reader(request));
      const touched = new Set(Object.values(change).flatMap((part: { space: string }[]) => part.map((each) => each.space)));
      if (touched.size === 0) return pack([ABSENT], []);
      if (change.appends.length > 0) touched.add(COUNTERS);
      const transaction = this.database.transaction([...touched], "readwrite", { durability: this.durability });
      let failed = ABSENT;
      const numbers: number[] = [];
      try {
        await run(transaction, () => {
          const check = (index: number, holds: boolean) => {
            if (failed !== ABSENT || holds) return;
            failed = index;
            transaction.abort();
          };
          change.expects.forEach(({ space, key, value }, index) => {
            const held: IDBRequest<ArrayBuffer | undefined> = transaction.objectStore(space).get(key);
            held.onsuccess = () => check(index, same(held.result, value));
          });
          change.counts.forEach(({ space, start, end, count }, index) => {
            const counted = transaction.objectStore(space).count(rangeOf(start, end));
            counted.onsuccess = () => check(change.expects.length + index, counted.result === count);
          });
          apply(transaction, change, numbers);
        });
      } catch (error) {
        if (failed === ABSENT) throw error;
        return pack([failed], []);
      }
      return pack([ABSENT, ...numbers.flatMap((number) => [Math.floor(number / 2 ** 32), number % 2 ** 32])], []);
    });
  }

  /** Wait for what is under way, then let go of the database. */
  async close(): Promise<void> {
    await Promise.allSettled(this.pending);
    this.database.close();
  }

  private async track<T>(work: () => Promise<T>): Promise<T> {
    const promise = plainly(work());
    this.pending.add(promise);
    try {
      return await promise;
    } finally {
      this.pending.delete(promise);
    }
  }

  private space(index: number): string {
    const name = this.spaces[index];
    if (name === undefined) throw new DOMException(`no space has number ${index}`, "NotFoundError");
    return name;
  }

  private keyOf(reader: Reader): { space: string; key: Bytes } {
    return { space: this.space(reader.number()), key: reader.key(reader.number()) };
  }

  private changeOf(reader: Reader): Change {
    const lengths = Array.from({ length: 5 }, () => reader.number());
    const list = <T>(index: number, read: () => T): T[] => Array.from({ length: lengths[index] ?? 0 }, read);
    const put = () => {
      const [space, keyLength, valueLength] = [this.space(reader.number()), reader.number(), reader.number()];
      return { space, key: reader.key(keyLength), value: reader.optional(valueLength) };
    };
    const expects = list(0, put);
    const deletes = list(1, () => this.keyOf(reader));
    const puts = list(2, put) as Change["puts"];
    const appends = list(3, () => ({ space: this.space(reader.number()), value: reader.value(reader.number()) }));
    const counts = list(4, () => {
      const [space, startLength, endLength] = [this.space(reader.number()), reader.number(), reader.number()];
      const count = reader.number();
      return { space, start: reader.key(startLength), end: endLength === ABSENT ? null : reader.key(endLength), count };
    });
    return { expects, deletes, puts, appends, counts };
  }
}

/** Issue the deletes, puts and appends of a change; `numbers` gets those of the appends before the transaction ends. */
function apply(transaction: IDBTransaction, change: Change, numbers: number[]): void {
  for (const { space, key } of change.deletes) transaction.objectStore(space).delete(key);
  for (const { space, key, value } of change.puts) transaction.objectStore(space).put(value, key);
  for (const space of new Set(change.appends.map((append) => append.space))) append(transaction, change, space, numbers);
}

/** Issue the appends to one space: its counter is read once, then all of them number themselves. */
function append(transaction: IDBTransaction, change: Change, space: string, numbers: number[]): void {
  const counters = transaction.objectStore(COUNTERS);
  const last: IDBRequest<number | undefined> = counters.get(space);
  last.onsuccess = () => {
    let number = last.result ?? 0;
    change.appends.forEach((row, index) => {
      if (row.space !== space) return;
      numbers[index] = ++number;
      transaction.objectStore(space).put(row.value, numberKey(number));
    });
    counters.put(number, space);
  };
}

/** key, value, key, value … from the start of a range, once the transaction is done. */
function scanOn(store: IDBObjectStore, range: IDBKeyRange, limit: number): () => ArrayBuffer[] {
  const keys = store.getAllKeys(range, limit) as IDBRequest<ArrayBuffer[]>;
  const values = store.getAll(range, limit) as IDBRequest<ArrayBuffer[]>;
  return () => keys.result.flatMap((key, index) => [key, values.result[index] as ArrayBuffer]);
}

/** The same from the end of the range: a cursor, since only a cursor goes backwards in every browser. */
function scanBack(store: IDBObjectStore, range: IDBKeyRange, limit: number): () => ArrayBuffer[] {
  const rows: ArrayBuffer[] = [];
  const request = store.openCursor(range, "prev");
  request.onsuccess = () => {
    const cursor = request.result;
    if (!cursor) return;
    rows.push(cursor.key as ArrayBuffer, cursor.value as ArrayBuffer);
    if (rows.length < 2 * limit) cursor.continue();
  };
  return () => rows;
}

/** Settles as `work` does, or rejects when other tabs block it for longer than PATIENCE. */
function unblocked<T>(work: (blocked: () => void) => Promise<T>, late: (value: T) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    let gaveUp = false;
    const giveUp = () => {
      gaveUp = true;
      reject(new DOMException("another tab holds an older version of it open", "BlockedError"));
    };
    work(() => setTimeout(giveUp, PATIENCE)).then((value) => (gaveUp ? late(value) : resolve(value)), reject);
  });
}

/** Open the database `name`, making it and its spaces where they are not yet. */
export function open(name: string, spaces: string[], durability: Durability): Promise<Database> {
  return plainly(connect(name, spaces, durability));
}

async function connect(name: string, spaces: string[], durability: Durability): Promise<Database> {
  let foreign = false;
  const opening = unblocked(
    (blocked) =>
      openDB(name, FORMAT, {
        upgrade(made, before, _after, transaction) {
          foreign = before > 0 && made.objectStoreNames.length > 0 && !made.objectStoreNames.contains(COUNTERS);
          if (foreign) return transaction.abort();
          for (const space of [...spaces, COUNTERS]) if (!made.objectStoreNames.contains(space)) made.createObjectStore(space);
        },
        blocked,
        // Another tab upgrades or deletes it: let it; what is under way ends first, later calls fail as closed.
        blocking: (_current, _wanted, event) => (event.target as IDBDatabase).close(),
      }),
    (opened) => opened.close(),
  );
  const database = await opening.catch((error: unknown) => {
    throw foreign ? new DOMException("it has other object stores", "NotFoundError") : error;
  });
  if (spaces.some((space) => !database.objectStoreNames.contains(space))) {
    database.close();
    throw new DOMException("it has other object stores", "NotFoundError");
  }
  return new Database(unwrap(database), spaces, durability);
}

/** Delete the database `name` and all that is in it. */
export async function destroy(name: string): Promise<void> {
  const gone = unblocked(
    (blocked) => deleteDB(name, { blocked }),
    () => {},
  );
  await plainly(gone);
}
