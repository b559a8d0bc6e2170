/** Build step: node buildtools/snapshot.mjs FOLDER NAME LIBRARIES writes the memory of a Python that has imported all that the page's
 *  kernel needs, and checks that it loads. msgpack's native module cannot be part of it: the pure one is, and
 *  `emerge_wasm.browser.native` puts the native one in its place after each restore.
 *
 *  A fifth of the compressed memory are constants of the interpreter, which a browser has already: they are in the
 *  WebAssembly file. The file has them not, nor zeros (web/heap.mjs). */

import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { headerLength, packSnapshot, withSnapshot } from "../web/heap.mjs";

const [folder, name, libraries] = process.argv.slice(2);
const base = `${resolve(folder)}/`;

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
  const heap = snapshot.subarray(headerLength(snapshot));
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

/** The heap of an interpreter that has not begun. */
async function freshHeap(snapshot) {
  let heap = new Uint8Array();
  const { default: createCore } = await import(pathToFileURL(`${base}pyodide.asm.mjs`).href);
  const createPyodideModule = async (settings) => {
    const core = await createCore(settings);
    heap = new Uint8Array(core.HEAP8).slice();
    core._emscripten_resize_heap(snapshot.length - headerLength(snapshot));
    return core;
  };
  await loadPyodide({ indexURL: base, _loadSnapshot: snapshot, createPyodideModule });
  return heap;
}

/** Restore it as the page does. */
async function check(file) {
  const { default: createCore } = await import(pathToFileURL(`${base}pyodide.asm.mjs`).href);
  const py = await loadPyodide({ indexURL: base, ...withSnapshot(file, createCore) });
  unpack(py);
  const found = py.runPython(
    "from emerge_wasm.browser import native; native.use_native_msgpack(); import msgpack; msgpack.Packer.__module__",
  );
  if (found !== "msgpack._cmsgpack") throw new Error(`after the restore msgpack is ${found}`);
}

try {
  const snapshot = await make();
  const file = packSnapshot(snapshot, await freshHeap(snapshot));
  await check(file);
  writeFileSync(base + name, file);
} catch (error) {
  // the page then starts Python the slow way; a build must not fail for want of a private API
  rmSync(base + name, { force: true });
  console.error(`no memory snapshot: ${String(error?.message ?? JSON.stringify(error)).slice(-2000)}`);
  process.exitCode = 0;
}
