/** What a fast start needs: the memory snapshot, kept in one place only (the Cache API, not the HTTP cache too), and
 *  the kernel's libraries, unpacked here because Pyodide's own way takes longer than the rest of the start. */

import type { PyodideAPI, PyodideConfig } from "pyodide";

const SNAPSHOT = "snapshot.bin";
const STORE = "emerge-snapshot";
const STARTED = 1_000; // ms after which both kernels have most likely started
const WORD = 4; // bytes
const BLOCK = 512; // bytes, of a tar archive

/** The file of this build's snapshot, null when the build made none (or it cannot be had now: Python then starts slowly). */
export async function fetchSnapshot(base: string): Promise<ArrayBuffer | null> {
  const url = new URL(SNAPSHOT, base).href;
  try {
    const cache = "caches" in globalThis ? await caches.open(STORE).catch(() => null) : null;
    const kept = await cache?.match(url);
    if (kept) return await kept.arrayBuffer();
    const response = await fetch(url, { cache: "no-store" });
    if (!response.ok) return null;
    const file = await response.arrayBuffer();
    if (cache) keepLater(cache, url, new Response(file)); // a copy
    return file;
  } catch {
    return null;
  }
}

/** Writing so much takes a browser a second, which the start would wait for. */
function keepLater(cache: Cache, url: string, response: Response): void {
  setTimeout(() => void keep(cache, url, response).catch(() => undefined), STARTED);
}

async function keep(cache: Cache, url: string, response: Response): Promise<void> {
  for (const old of await cache.keys()) await cache.delete(old);
  await cache.put(url, response);
}

/** The snapshot in its file: all but the words behind it, which say where constants were left out
 *  (buildtools/snapshot.mjs). */
function openSnapshot(file: ArrayBuffer): Uint8Array {
  return new Uint8Array(file, 0, file.byteLength - WORD * (1 + lastWord(file)));
}

/** The last word of the file says how many there are before it. */
function lastWord(file: ArrayBufferLike): number {
  return new DataView(file).getUint32(file.byteLength - WORD, true);
}

/** Put what was left out of a snapshot back into it, from the heap of an interpreter that has not begun. */
function fillIn(snapshot: Uint8Array, heap: Uint8Array, header: number): void {
  const words = new DataView(snapshot.buffer, snapshot.byteLength);
  const offset = (at: number): number => words.getUint32(at * WORD, true);
  for (let at = 0; at < lastWord(snapshot.buffer); at += 2)
    snapshot.set(heap.subarray(offset(at) - header, offset(at + 1) - header), offset(at));
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
export type LoadPyodide = (config: PyodideConfig) => Promise<PyodideAPI>;

/** Start Python from a snapshot's file; null, and a warning, when that does not load. What `file` lacks is filled in. */
export async function restore(config: PyodideConfig, file: ArrayBuffer, create: CreateCore, load: LoadPyodide): Promise<PyodideAPI | null> {
  try {
    const snapshot = openSnapshot(file);
    const createPyodideModule = adapted(create, snapshot);
    return await load({ ...config, _loadSnapshot: snapshot, createPyodideModule } as unknown as PyodideConfig);
  } catch (error) {
    console.warn("the memory snapshot did not load, so Python starts the slow way:", error);
    return null;
  }
}

/** Fits the snapshot to this browser before it is restored: how Python calls C functions depends on what the engine can,
 *  so that pointer must be this engine's and not that of the one which made the snapshot. */
function adapted(create: CreateCore, snapshot: Uint8Array): CreateCore {
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

const decoder = new TextDecoder();

/** Put the kernel's libraries (buildtools/distribution.py) where Python finds them: a few files, and archives of all that
 *  it can import from some, which a `restored` Python knows. */
export function addLibraries(archive: ArrayBuffer, py: PyodideAPI, restored: boolean): void {
  const folder = py.runPython("import sys; sys.path[-1]") as string;
  unpackTar(new Uint8Array(archive), py.FS, folder);
  if (!restored) py.runPython(`sys.path[-1:-1] = [f"${folder}/{name}.zip" for name in ("libraries", "tzdata")]`);
}

/** Unpack a tar archive (regular files only) into a folder of Pyodide's file system. */
function unpackTar(archive: Uint8Array, fs: PyodideAPI["FS"], folder: string): void {
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
  return decoder.decode(end < 0 ? field : field.subarray(0, end)).trim();
}
