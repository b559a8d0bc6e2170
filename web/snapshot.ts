/** What a fast start needs: the memory snapshot, kept in one place only (the Cache API, not the HTTP cache too), and
 *  the kernel's libraries, unpacked here because Pyodide's own way takes longer than the rest of the start. */

import type { PyodideAPI } from "pyodide";

const SNAPSHOT = "snapshot.bin";
const LIBRARIES = "libraries.tar";
const STORE = "emerge-snapshot";
const WORD = 4; // bytes
const BLOCK = 512; // bytes, of a tar archive

/** The snapshot of this build, null when the build made none (or it cannot be had now: Python then starts slowly).
 *  The buffer goes on behind it: with where constants were left out (buildtools/snapshot.mjs). */
export async function fetchSnapshot(base: string): Promise<Uint8Array | null> {
  try {
    const response = await fetchOnce(new URL(SNAPSHOT, base).href);
    if (!response.ok) return null;
    return openSnapshot(await response.arrayBuffer());
  } catch {
    return null;
  }
}

/** The snapshot in a file: all but the words behind it. */
export function openSnapshot(file: ArrayBuffer): Uint8Array {
  return new Uint8Array(file, 0, file.byteLength - WORD * (1 + lastWord(file)));
}

/** The last word of the file says how many there are before it. */
function lastWord(file: ArrayBufferLike): number {
  return new DataView(file).getUint32(file.byteLength - WORD, true);
}

/** Put what was left out of a snapshot back into it, from the heap of an interpreter that has not begun. */
export function fillIn(snapshot: Uint8Array, heap: Uint8Array, header: number): void {
  const words = new DataView(snapshot.buffer, snapshot.byteLength);
  const offset = (at: number): number => words.getUint32(at * WORD, true);
  for (let at = 0; at < lastWord(snapshot.buffer); at += 2)
    snapshot.set(heap.subarray(offset(at) - header, offset(at + 1) - header), offset(at));
}

/** One at a time: of two kernels that start together, the second takes what the first has kept. */
function fetchOnce(url: string): Promise<Response> {
  if (!("caches" in globalThis)) return fetch(url);
  return new Promise((resolve, reject) => {
    navigator.locks.request(STORE, () => fetchAndKeep(url, resolve)).catch(reject);
  });
}

/** `give` gets the answer before it is kept. */
async function fetchAndKeep(url: string, give: (response: Response) => void): Promise<void> {
  const cache = await caches.open(STORE);
  const kept = await cache.match(url);
  if (kept) return give(kept);
  const response = await fetch(url, { cache: "no-store" });
  const copy = response.clone();
  give(response);
  if (copy.ok) await keep(cache, url, copy).catch(() => undefined);
}

async function keep(cache: Cache, url: string, response: Response): Promise<void> {
  for (const old of await cache.keys()) await cache.delete(old);
  await cache.put(url, response);
}

interface Core {
  HEAP8: Int8Array;
  HEAP32: Int32Array;
  __PyRuntime: number;
  __PyEM_EMSCRIPTEN_TRAMPOLINE_OFFSET: number;
  _emscripten_resize_heap(bytes: number): boolean;
}

/** Makes Pyodide's WebAssembly module (the default export of pyodide.asm.mjs). */
export type CreateCore = (settings: unknown) => Promise<Core>;

/** The same, fitting the snapshot to this browser before it is restored: how Python calls C functions depends on what
 *  the engine can, so that pointer must be this engine's and not that of the one which made the snapshot. */
export function adapted(create: CreateCore, snapshot: Uint8Array): CreateCore {
  return async (settings) => {
    const core = await create(settings);
    const words = new DataView(snapshot.buffer, snapshot.byteOffset, snapshot.byteLength);
    const header = words.getUint32(4, true); // bytes before the heap
    fillIn(snapshot, new Uint8Array(core.HEAP8.buffer), header);
    const offset = core.HEAP32[core.__PyEM_EMSCRIPTEN_TRAMPOLINE_OFFSET >> 2] ?? 0;
    const address = core.__PyRuntime + offset;
    words.setInt32(header + address, core.HEAP32[address >> 2] ?? 0, true);
    const heap = snapshot.length - header;
    if (core.HEAP8.length < heap && !core._emscripten_resize_heap(heap)) throw new Error(`no ${heap} bytes of memory`);
    return core;
  };
}

/** The archive of the kernel's libraries. */
export async function fetchLibraries(base: string): Promise<Uint8Array> {
  const response = await fetch(new URL(LIBRARIES, base).href);
  if (!response.ok) throw new Error(`${response.url}: ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

/** Unpack a tar archive (regular files only) into a folder of Pyodide's file system. */
export function unpackTar(archive: Uint8Array, fs: PyodideAPI["FS"], folder: string): void {
  for (let at = 0; archive[at]; ) {
    const [name, prefix] = [text(archive, at, 100), text(archive, at + 345, 155)];
    const path = `${folder}/${prefix && `${prefix}/`}${name}`;
    const size = Number.parseInt(text(archive, at + 124, 12), 8);
    at += BLOCK;
    fs.mkdirTree(path.slice(0, path.lastIndexOf("/")));
    fs.writeFile(path, archive.subarray(at, at + size));
    at += Math.ceil(size / BLOCK) * BLOCK;
  }
}

function text(bytes: Uint8Array, start: number, length: number): string {
  const field = bytes.subarray(start, start + length);
  const end = field.indexOf(0);
  return new TextDecoder().decode(end < 0 ? field : field.subarray(0, end)).trim();
}
