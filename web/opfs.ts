/** The JavaScript half of py/emerge_wasm/stores/indexeddb/opfs.py: a file for each block in the origin's private files.
 *
 * A handle to write with is exclusive, so each is opened on a new file of a name of its own, which is renamed in the end:
 * tabs never wait for each other, and whoever is killed leaves a file as a whole or not at all. What a killed one began is
 * removed by whoever lists: the lock of its name is free then. Must not import anything of the page.
 */

import { ABSENT, type Bytes, pack, Reader } from "./packing";
import { plainly } from "./plainly";

const ROOT = "blocks";
const LOCK = "emerge-blocks-";
const AT_ONCE = 4;

/** What a worker has of a private file (TypeScript's own types of workers cannot stand beside the page's). */
interface PrivateFile extends FileSystemFileHandle {
  createSyncAccessHandle(): Promise<{ write(data: Bytes, options: { at: number }): number; flush(): void; close(): void }>;
  move(target: string): Promise<void>;
}

/** Do something with each, some at once. */
async function each<T>(items: T[], work: (item: T, index: number) => Promise<void>): Promise<void> {
  const rest = items.entries();
  const take = async (): Promise<void> => {
    for (const [index, item] of rest) await work(item, index);
  };
  const done = await Promise.allSettled(Array.from({ length: AT_ONCE }, take));
  for (const one of done) if (one.status === "rejected") throw one.reason;
}

/** What `work` gives, or this if there is no such file or folder. */
async function absentIs<T>(value: T, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isAbsent(error)) return value;
    throw error;
  }
}

function isAbsent(error: unknown): boolean {
  return error instanceof DOMException && error.name === "NotFoundError";
}

/** An opened folder. Names are joined by line feeds; files lie in folders by the first two letters of theirs, which are
 * made when something is put: where no room is left, all that is there can be read. */
export class Folder {
  private readonly path: string[];
  private readonly durable: boolean;
  private readonly own: string;
  private readonly folders = new Map<string, FileSystemDirectoryHandle>();
  private number = 0;

  constructor(path: string[], durable: boolean, own: string) {
    this.path = path;
    this.durable = durable;
    this.own = own;
  }

  /** In the buffer: the size of each, and all bytes. */
  put(names: string, buffer: Bytes): Promise<void> {
    return plainly(this.putAll(names.split("\n"), buffer));
  }

  private async putAll(names: string[], buffer: Bytes): Promise<void> {
    const reader = new Reader(buffer);
    const parts = names.map(() => reader.number()).map((size) => reader.bytesOf(size));
    const begun: { folder: FileSystemDirectoryHandle; file: PrivateFile; name: string; fresh: string }[] = [];
    try {
      await each(names, async (name, index) => {
        const fresh = `.${this.own}-${++this.number}`;
        const folder = await this.folder(name, true);
        const file = (await folder.getFileHandle(fresh, { create: true })) as PrivateFile;
        begun.push({ folder, file, name, fresh });
        await this.write(file, parts[index] as Bytes);
      });
      await each(begun, ({ file, name }) => file.move(name));
    } catch (error) {
      await each(begun, ({ folder, fresh }) => folder.removeEntry(fresh).catch(() => undefined));
      throw isAbsent(error) ? new DOMException("its files were removed", "InvalidStateError") : error;
    }
  }

  private async write(file: PrivateFile, data: Bytes): Promise<void> {
    const handle = await file.createSyncAccessHandle();
    try {
      for (let done = 0; done < data.length; ) {
        const written = handle.write(data.subarray(done), { at: done });
        if (written === 0) throw new DOMException("nothing more can be written", "QuotaExceededError");
        done += written;
      }
      if (this.durable) handle.flush();
    } finally {
      handle.close();
    }
  }

  /** Out: the size of each, or ABSENT, and all bytes. */
  get(names: string): Promise<Uint8Array> {
    return plainly(this.getAll(names.split("\n")));
  }

  private async getAll(names: string[]): Promise<Uint8Array> {
    const found: (Bytes | null)[] = [];
    await each(names, async (name, index) => {
      found[index] = await this.read(name);
    });
    return pack(
      found.map((data) => data?.length ?? ABSENT),
      found.filter((data) => data !== null),
    );
  }

  private async read(name: string): Promise<Bytes | null> {
    for (let attempt = 1; ; attempt++) {
      try {
        const file = await this.find(name);
        return file === null ? null : new Uint8Array(await (await file.getFile()).arrayBuffer());
      } catch (error) {
        if (attempt === 3) throw error; // written anew, or removed, between the two
      }
    }
  }

  /** Out: 1 or 0 for each. */
  has(names: string): Promise<string> {
    const found: string[] = [];
    const look = each(names.split("\n"), async (name, index) => {
      found[index] = (await this.find(name)) === null ? "0" : "1";
    });
    return plainly(look.then(() => found.join("")));
  }

  delete(names: string): Promise<void> {
    return plainly(
      each(names.split("\n"), (name) => absentIs(undefined, async () => (await this.folder(name)).removeEntry(name))),
    );
  }

  /** At most so many names after this one, in order. */
  page(after: string, limit: number): Promise<string> {
    return plainly(absentIs("", () => this.pageOf(after, limit)));
  }

  private async pageOf(after: string, limit: number): Promise<string> {
    const found: string[] = [];
    const living = await alive();
    for (const folder of await listed(await this.folder(""))) {
      if (folder < after.slice(0, 2)) continue;
      if (found.length >= limit) break;
      found.push(...(await this.names(folder, living)).filter((name) => name > after));
    }
    return found.slice(0, limit).join("\n");
  }

  /** The names in a folder; what a killed one began there is removed. */
  private async names(folder: string, living: Set<string>): Promise<string[]> {
    const handle = await this.folder(folder);
    const names = await listed(handle);
    const dead = names.filter((name) => name.startsWith(".") && !living.has(name.slice(1).split("-")[0] ?? ""));
    await each(dead, (name) => absentIs(undefined, () => handle.removeEntry(name)));
    return names.filter((name) => !name.startsWith("."));
  }

  private find(name: string): Promise<FileSystemFileHandle | null> {
    return absentIs(null, async () => (await this.folder(name)).getFileHandle(name));
  }

  /** The folder of a name, or of all for "". */
  private async folder(name: string, create = false): Promise<FileSystemDirectoryHandle> {
    const key = name.slice(0, 2);
    let folder = this.folders.get(key);
    if (folder) return folder;
    folder = await navigator.storage.getDirectory();
    for (const part of [...this.path, key]) if (part) folder = await folder.getDirectoryHandle(part, { create });
    this.folders.set(key, folder);
    return folder;
  }
}

async function listed(folder: FileSystemDirectoryHandle): Promise<string[]> {
  const names: string[] = [];
  for await (const name of folder.keys()) names.push(name);
  return names.sort();
}

/** Those who may be writing: each holds the lock of its name for as long as it lives. */
async function alive(): Promise<Set<string>> {
  const { held = [] } = await navigator.locks.query();
  return new Set(held.map(({ name = "" }) => name.slice(LOCK.length)));
}

function live(own: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const forGood = (): Promise<never> => (resolve(), new Promise(() => undefined));
    navigator.locks.request(LOCK + own, forGood).catch(reject);
  });
}

/** Whether this browser has files that a worker can write: not in some private windows, nor in WebKitGTK. */
async function offered(): Promise<boolean> {
  const file = globalThis.FileSystemFileHandle?.prototype as object | undefined;
  if (!file || !("createSyncAccessHandle" in file) || !("move" in file)) return false;
  try {
    await navigator.storage.getDirectory();
    return true;
  } catch (error) {
    console.info("blocks are kept in IndexedDB, as this browser offers no private files:", error);
    return false;
  }
}

/** Open the files of a store, unless the browser has none for us. */
export async function open(name: string, durable: boolean): Promise<Folder | undefined> {
  if (!(await offered())) return undefined;
  const own = crypto.randomUUID().replaceAll("-", "");
  await plainly(live(own));
  return new Folder([ROOT, encodeURIComponent(name)], durable, own);
}

/** Delete the files of a store. */
export async function destroy(name: string): Promise<void> {
  if (!(await offered())) return;
  const remove = async (): Promise<void> => {
    const folders = await (await navigator.storage.getDirectory()).getDirectoryHandle(ROOT);
    await folders.removeEntry(encodeURIComponent(name), { recursive: true });
  };
  await plainly(absentIs(undefined, remove));
}
