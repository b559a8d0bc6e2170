/** The IndexedDB half of py/emerge_wasm/stores/indexeddb/store.py: one call and one packed buffer each way per operation.
 *
 * Why here and not in Python: a transaction ends as soon as nobody issues a request in time; and each crossing costs, so many
 * records travel in one buffer. Must not import anything of the page.
 */

import { deleteDB, openDB, unwrap } from "idb";
import { compare, type Edit } from "./leaf";
import { ABSENT, type Bytes, pack, packWords, Reader } from "./packing";
import { plainly } from "./plainly";
import { openSpace, packRows, resultOf, type Space, storeOf } from "./space";

const FORMAT = 5; // 2: the space links came; 3: receipts; 4: blocks; 5: small rows lie in leaves
const COUNTERS = "counters"; // the last number that an append got, by space
const PATIENCE = 2000; // ms for other tabs to let go of an older version

type Durability = "strict" | "relaxed";

/** Do something in a transaction, and wait until its data are kept; when that fails, nothing of it was applied. Who only reads need not wait. */
async function within<T>(transaction: IDBTransaction, work: () => Promise<T>): Promise<T> {
  const done = new Promise<void>((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error ?? new DOMException("it was aborted", "AbortError"));
  });
  try {
    const [found] = await Promise.all([work(), done]);
    return found;
  } catch (error) {
    try {
      transaction.abort();
    } catch {
      // it has been
    }
    throw transaction.error ?? error;
  }
}

/** Same bytes, or both absent. */
function same(held: Bytes | undefined, expected: Bytes | null): boolean {
  if (held === undefined || expected === null) return held === undefined && expected === null;
  return compare(held, expected) === 0;
}

function numberKey(number: number): Bytes {
  const key = new Uint8Array(8);
  new DataView(key.buffer).setBigUint64(0, BigInt(number));
  return key;
}

/** What a commit asks of one space; `index` is the place of a condition among all. */
interface Part {
  expects: { key: Bytes; value: Bytes | null; index: number }[];
  counts: { start: Bytes; end: Bytes | null; count: number; index: number }[];
  edits: Edit[];
  appends: { value: Bytes; index: number }[];
  last?: number; // that an append got
}

/** A commit as Python sends it. */
interface Change {
  parts: Map<string, Part>;
  numbers: number[]; // of the appends
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
  get(request: Bytes): Promise<Bytes> {
    return this.track(async () => {
      const reader = new Reader(request);
      const keys = new Map<string, Bytes[]>();
      const wanted = Array.from({ length: reader.number() }, () => {
        const space = this.space(reader.number());
        const some = keys.get(space) ?? [];
        keys.set(space, some);
        return { space, place: some.push(reader.bytesOf(reader.number())) - 1 };
      });
      const transaction = this.database.transaction([...keys.keys()].map(storeOf), "readonly");
      const load = async ([space, some]: [string, Bytes[]]) => [space, await openSpace(transaction, space).load(some)] as const;
      const found = new Map(await Promise.all([...keys].map(load)));
      const values = wanted.map(({ space, place }) => found.get(space)?.[place]);
      return pack(
        values.map((value) => value?.length ?? ABSENT),
        values.filter((value) => value !== undefined),
      );
    });
  }

  /** In: space, length of start, length of end or ABSENT, limit, reverse. Out: (key length, value length) of each row. */
  scan(request: Bytes): Promise<Bytes> {
    return this.track(async () => {
      const reader = new Reader(request);
      const [space, startLength, endLength] = [this.space(reader.number()), reader.number(), reader.number()];
      const [limit, reverse] = [reader.number(), reader.number() === 1];
      const [start, end] = [reader.bytesOf(startLength), reader.optional(endLength)];
      const transaction = this.database.transaction(storeOf(space), "readonly");
      const { lengths, parts } = await openSpace(transaction, space).scan(start, end, limit, reverse);
      return packWords(lengths, parts);
    });
  }

  /** In: how many there are of each of expects (space, key length, value length or ABSENT), deletes (space, key
   * length), puts (space, key length, value length), appends (space, value length) and counts (space, start length,
   * end length or ABSENT, count), then these.
   * Out: index of the first failed expectation, counts after expects, or ABSENT, then the number of each append as (high, low) word. */
  commit(request: Bytes): Promise<Bytes> {
    return this.track(async () => {
      const change = this.changeOf(new Reader(request));
      if (change.parts.size === 0) return pack([ABSENT], []);
      const stores = [...change.parts.keys()].map(storeOf);
      if (change.numbers.length > 0) stores.push(COUNTERS);
      const transaction = this.database.transaction(stores, "readwrite", { durability: this.durability });
      const failed = await within(transaction, () => apply(transaction, change));
      if (failed !== ABSENT) return pack([failed], []);
      return pack([ABSENT, ...change.numbers.flatMap((number) => [Math.floor(number / 2 ** 32), number % 2 ** 32])], []);
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

  private changeOf(reader: Reader): Change {
    const parts = new Map<string, Part>();
    const part = (): Part => {
      const space = this.space(reader.number());
      const found = parts.get(space) ?? { expects: [], counts: [], edits: [], appends: [] };
      parts.set(space, found);
      return found;
    };
    const lengths = Array.from({ length: 5 }, () => reader.number());
    const [expects = 0, deletes = 0, puts = 0, appends = 0, counts = 0] = lengths;
    for (let index = 0; index < expects; index++) {
      const [to, keyLength, valueLength] = [part(), reader.number(), reader.number()];
      to.expects.push({ key: reader.bytesOf(keyLength), value: reader.optional(valueLength), index });
    }
    for (let index = 0; index < deletes; index++) part().edits.push({ key: reader.bytesOf(reader.number()), value: null });
    for (let index = 0; index < puts; index++) {
      const [to, keyLength, valueLength] = [part(), reader.number(), reader.number()];
      to.edits.push({ key: reader.bytesOf(keyLength), value: reader.bytesOf(valueLength) });
    }
    for (let index = 0; index < appends; index++) part().appends.push({ value: reader.bytesOf(reader.number()), index });
    for (let index = expects; index < expects + counts; index++) {
      const [to, startLength, endLength, count] = [part(), reader.number(), reader.number(), reader.number()];
      to.counts.push({ start: reader.bytesOf(startLength), end: reader.optional(endLength), count, index });
    }
    return { parts, numbers: new Array<number>(appends) };
  }
}

/** Issue what a commit asks for, unless a condition fails: the index of the first one that does, or ABSENT. */
async function apply(transaction: IDBTransaction, { parts, numbers }: Change): Promise<number> {
  const spaces = [...parts].map(([name, part]) => ({ name, part, space: openSpace(transaction, name) }));
  const counters = numbers.length > 0 ? transaction.objectStore(COUNTERS) : null;
  const failed = await Promise.all(spaces.map(({ name, part, space }) => prepare(name, part, space, counters, numbers)));
  const first = Math.min(...failed);
  if (first !== ABSENT) return first;
  for (const { name, part, space } of spaces) {
    space.write(part.edits);
    if (part.last !== undefined) counters?.put(part.last, name);
  }
  transaction.commit();
  return ABSENT;
}

/** Read all that a commit needs of a space, and number its appends; the index of the first condition that fails, or ABSENT. */
async function prepare(name: string, part: Part, space: Space, counters: IDBObjectStore | null, numbers: number[]): Promise<number> {
  const load = async (): Promise<(Bytes | undefined)[]> => {
    if (counters !== null && part.appends.length > 0) await number(counters, name, part, numbers);
    const [expected, edited] = [part.expects, part.edits].map((some) => some.map(({ key }) => key));
    return await space.load(expected ?? [], edited);
  };
  const counting = part.counts.map(({ start, end }) => space.count(start, end));
  const [held, ...counted] = await Promise.all([load(), ...counting]);
  const failed = part.expects.find(({ value }, index) => !same(held[index], value));
  const miscounted = part.counts.find(({ count }, index) => counted[index] !== count);
  return Math.min(failed?.index ?? ABSENT, miscounted?.index ?? ABSENT);
}

/** Give the appends to a space the next numbers of it: they are edits then. */
async function number(counters: IDBObjectStore, name: string, part: Part, numbers: number[]): Promise<void> {
  let last = (await resultOf<number | undefined>(counters.get(name))) ?? 0;
  for (const { value, index } of part.appends) {
    numbers[index] = ++last;
    part.edits.push({ key: numberKey(last), value });
  }
  part.last = last;
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

/** Make what there is not yet, and put rows of before into leaves: all in one transaction, or nothing. */
async function upgrade(database: IDBDatabase, transaction: IDBTransaction, spaces: string[]): Promise<void> {
  for (const name of [...spaces.map(storeOf), COUNTERS]) {
    if (!database.objectStoreNames.contains(name)) database.createObjectStore(name);
  }
  for (const space of spaces) {
    if (storeOf(space) !== space && database.objectStoreNames.contains(space)) {
      await packRows(transaction.objectStore(space), transaction, space);
      database.deleteObjectStore(space);
    }
  }
}

async function connect(name: string, spaces: string[], durability: Durability): Promise<Database> {
  let foreign = false;
  const opening = unblocked(
    (blocked) =>
      openDB(name, FORMAT, {
        async upgrade(made, before, _after, transaction) {
          foreign = before > 0 && made.objectStoreNames.length > 0 && !made.objectStoreNames.contains(COUNTERS);
          if (foreign) transaction.abort();
          else await upgrade(unwrap(made), unwrap(transaction), spaces);
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
  if (spaces.some((space) => !database.objectStoreNames.contains(storeOf(space)))) {
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
