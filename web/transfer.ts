/** Files that pass between the page and Python, by the page's number for their run. They stay on the disk: what the page
 *  gives is read piece by piece, what Python makes is written to the origin's private files, and nothing holds all of it. */

import type { Passed } from "./protocol";

const FOLDER = "transfers";
const OLD = 3_600_000; // ms after which a file that Python made is surely saved
/** Bytes that a file may have where the browser offers no private files. */
const IN_MEMORY = 256 << 20;

/** What a worker has of a private file (TypeScript's own types of workers cannot stand beside the page's). */
interface PrivateFile extends FileSystemFileHandle {
  createSyncAccessHandle(): Promise<{ write(data: Uint8Array<ArrayBuffer>, options: { at: number }): number; flush(): void; close(): void }>;
}

interface Sink {
  append(data: Uint8Array<ArrayBuffer>): void;
  finish(): Promise<Blob>;
  drop(): Promise<void>;
}

const given = new Map<number, Blob>();
const sinks = new Map<number, Sink>();
let pass: (message: Passed) => void = () => undefined;

export function configure(send: (message: Passed) => void): void {
  pass = send;
}

/** The page gives a file for a run. */
export function give({ run, file }: Passed): void {
  given.set(run, file);
}

/** A piece of the file that the page gave. */
export async function read(run: number, begin: number, end: number): Promise<Uint8Array> {
  const file = given.get(run);
  if (!file) throw new Error("the page gave no file");
  return new Uint8Array(await file.slice(begin, end).arrayBuffer());
}

/** Begin a file for the page; the most bytes that it may have. */
export async function create(run: number): Promise<number> {
  try {
    sinks.set(run, await onDisk());
    return Number.MAX_SAFE_INTEGER;
  } catch (error) {
    console.info("files for the page are made in memory:", error);
    sinks.set(run, inMemory());
    return IN_MEMORY;
  }
}

export function append(run: number, data: Uint8Array<ArrayBuffer>): void {
  sinks.get(run)?.append(data);
}

/** Pass the file on to the page. */
export async function finish(run: number): Promise<void> {
  const file = await sinks.get(run)?.finish();
  sinks.delete(run);
  if (file) pass({ run, file });
}

/** Forget what belongs to a run, whether it ended well or not. */
export async function drop(run: number): Promise<void> {
  given.delete(run);
  const sink = sinks.get(run);
  sinks.delete(run);
  await sink?.drop();
}

async function onDisk(): Promise<Sink> {
  const root = await navigator.storage.getDirectory();
  const folder = await root.getDirectoryHandle(FOLDER, { create: true });
  await removeOld(folder);
  const name = `${Date.now()}-${crypto.randomUUID()}`;
  const file = (await folder.getFileHandle(name, { create: true })) as PrivateFile;
  const handle = await file.createSyncAccessHandle();
  let size = 0;
  return {
    append(data) {
      for (let done = 0; done < data.length; ) done += handle.write(data.subarray(done), { at: size + done });
      size += data.length;
    },
    async finish() {
      handle.flush();
      handle.close();
      return file.getFile();
    },
    async drop() {
      handle.close();
      await folder.removeEntry(name);
    },
  };
}

/** What was made long ago is saved; what another tab writes now is locked, and stays. */
async function removeOld(folder: FileSystemDirectoryHandle): Promise<void> {
  for await (const name of folder.keys()) {
    if (Date.now() - parseInt(name) > OLD) await folder.removeEntry(name).catch(() => undefined);
  }
}

function inMemory(): Sink {
  let whole = new Blob();
  return {
    append: (data) => void (whole = new Blob([whole, data])), // browsers keep large ones on the disk
    finish: async () => whole,
    drop: async () => undefined,
  };
}
