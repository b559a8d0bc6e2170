/** Build step: node buildtools/snapshot.mjs FOLDER NAME LIBRARIES writes the memory of a Python that has imported all that the page's
 *  kernel needs, and checks that it loads. msgpack's native module cannot be part of it: the pure one is, and
 *  `emerge_wasm.browser.native` puts the native one in its place after each restore.
 *
 *  A fifth of the compressed memory are constants of the interpreter, which a browser has already: they are in the
 *  WebAssembly file. They are left out (zeros), and the file ends with where they were: pairs of 32-bit offsets, begin
 *  and end, as web/snapshot.ts reads them. */

import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [folder, name, libraries] = process.argv.slice(2);
const base = `${resolve(folder)}/`;
const PIECE = 256; // bytes that are compared at a time

// Python notes at its start whether stacks can be switched (JSPI), and the snapshot keeps that. Node before 24 cannot,
// but nothing is switched while it is made; a browser that cannot either says so when a cell waits (`sync.wait`).
WebAssembly.Suspending ??= function (imported) {
  return imported;
};
WebAssembly.promising ??= (exported) => exported;

const { loadPyodide } = await import(pathToFileURL(`${base}pyodide.mjs`).href);
/** Put the kernel's libraries where the worker will put them (web/snapshot.ts), so that modules know their files. */
function unpack(py) {
  const extractDir = py.runPython("import sys; sys.path[-1]");
  py.unpackArchive(new Uint8Array(readFileSync(base + libraries)), "tar", { extractDir });
  return extractDir;
}

async function make() {
  const py = await loadPyodide({ indexURL: base, _makeSnapshot: true });
  const site = unpack(py);
  py.runPython(`import sys; sys.path[-1:-1] = [f"${site}/{name}.zip" for name in ("libraries", "tzdata")]`);
  const folder = `${site}/msgpack`;
  for (const file of py.FS.readdir(folder).filter((file) => file.endsWith(".so"))) py.FS.unlink(`${folder}/${file}`);
  py.runPython("import emerge_wasm.browser.kernel as kernel; kernel.warm(); del kernel");
  py.runPython(readFileSync(new URL("shorten.py", import.meta.url), "utf8"), { globals: py.toPy({ __name__: "__main__" }) });
  const snapshot = new Uint8Array(py.makeMemorySnapshot());
  clearFree(snapshot, py._module.___heap_base);
  return snapshot;
}

/** Zero what the allocator (dlmalloc) has free: old bytes there take a twentieth of the compressed file. Each chunk begins
 *  with the size of the one before, if that is free, and its own, whose lowest bit says whether the one before is used.
 *  A free one has up to 32 bytes of the allocator's own. */
function clearFree(snapshot, begin) {
  const heap = snapshot.subarray(header(snapshot));
  const words = new DataView(heap.buffer, heap.byteOffset, heap.byteLength);
  const size = (at) => words.getUint32(at + 4, true) & ~7;
  let count = 0;
  for (let at = begin; size(at) > 0; at += size(at), count++) {
    const next = at + size(at);
    if (next + 8 > heap.length) throw new Error("the heap is not as this allocator leaves it");
    if (!(words.getUint32(next + 4, true) & 1)) heap.fill(0, Math.min(at + 32, next), next);
  }
  if (count < 10_000) throw new Error(`the heap has ${count} pieces only`);
}

/** Restore it as the page does (web/snapshot.ts): a new heap is smaller than that of the snapshot. `meet` sees that
 *  heap before. */
async function restore(snapshot, meet) {
  const { default: createCore } = await import(pathToFileURL(`${base}pyodide.asm.mjs`).href);
  const createPyodideModule = async (settings) => {
    const core = await createCore(settings);
    meet(new Uint8Array(core.HEAP8.buffer));
    const heap = snapshot.length - header(snapshot);
    if (core.HEAP8.length < heap && !core._emscripten_resize_heap(heap)) throw new Error(`no ${heap} bytes of memory`);
    return core;
  };
  return loadPyodide({ indexURL: base, _loadSnapshot: snapshot, createPyodideModule });
}

/** The bytes before the heap. */
function header(snapshot) {
  return new DataView(snapshot.buffer).getUint32(4, true);
}

/** Where the snapshot has what a new heap holds too: pairs of offsets into the snapshot. */
function findConstants(snapshot, heap) {
  const first = header(snapshot);
  const pairs = [];
  for (let at = 0; at + PIECE <= heap.length; at += PIECE) {
    const piece = heap.subarray(at, at + PIECE);
    const begin = first + at;
    if (!piece.every((byte, index) => byte === snapshot[begin + index]) || piece.every((byte) => byte === 0)) continue;
    if (pairs.at(-1) === begin) pairs[pairs.length - 1] = begin + PIECE;
    else pairs.push(begin, begin + PIECE);
  }
  return pairs;
}

async function check(snapshot, constants) {
  const py = await restore(snapshot, (heap) => {
    const first = header(snapshot);
    for (let at = 0; at < constants.length; at += 2)
      snapshot.set(heap.subarray(constants[at] - first, constants[at + 1] - first), constants[at]);
  });
  unpack(py);
  const found = py.runPython(
    "from emerge_wasm.browser import native; native.use_native_msgpack(); import msgpack; msgpack.Packer.__module__",
  );
  if (found !== "msgpack._cmsgpack") throw new Error(`after the restore msgpack is ${found}`);
}

try {
  const snapshot = await make();
  let constants = [];
  await restore(snapshot.slice(), (heap) => (constants = findConstants(snapshot, heap)));
  for (let at = 0; at < constants.length; at += 2) snapshot.fill(0, constants[at], constants[at + 1]);
  await check(snapshot.slice(), constants);
  writeFileSync(base + name, Buffer.concat([snapshot, new Uint8Array(Uint32Array.from([...constants, constants.length]).buffer)]));
} catch (error) {
  // the page then starts Python the slow way; a build must not fail for want of a private API
  rmSync(base + name, { force: true });
  console.error(`no memory snapshot: ${String(error?.message ?? JSON.stringify(error)).slice(-2000)}`);
  process.exitCode = 0;
}
