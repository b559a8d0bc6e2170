/** Build step: node buildtools/snapshot.mjs FOLDER NAME LIBRARIES writes the memory of a Python that has imported all that the page's
 *  kernel needs, and checks that it loads. msgpack's native module cannot be part of it: the pure one is, and
 *  `emerge_wasm.browser.native` puts the native one in its place after each restore. */

import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [folder, name, libraries] = process.argv.slice(2);
const base = `${resolve(folder)}/`;

// Python notes at its start whether stacks can be switched (JSPI), and the snapshot keeps that. Node before 24 cannot,
// but nothing is switched while it is made; a browser that cannot either says so when a cell waits (`sync.wait`).
WebAssembly.Suspending ??= function (imported) {
  return imported;
};
WebAssembly.promising ??= (exported) => exported;

const { loadPyodide } = await import(pathToFileURL(`${base}pyodide.mjs`).href);
/** Put the kernel's libraries where the worker will put them, so that modules know their files. */
function unpack(py) {
  const extractDir = py.runPython("import sys; sys.path[-1]");
  py.unpackArchive(new Uint8Array(readFileSync(base + libraries)), "tar", { extractDir });
  return extractDir;
}

async function make() {
  const py = await loadPyodide({ indexURL: base, _makeSnapshot: true });
  const folder = `${unpack(py)}/msgpack`;
  for (const file of py.FS.readdir(folder).filter((file) => file.endsWith(".so"))) py.FS.unlink(`${folder}/${file}`);
  py.runPython("import emerge_wasm.browser.kernel as kernel; kernel.warm(); del kernel; import gc; gc.collect()");
  return py.makeMemorySnapshot();
}

/** Restore it as the page does (web/snapshot.ts): a new heap is smaller than that of the snapshot. */
async function check(snapshot) {
  const { default: createCore } = await import(pathToFileURL(`${base}pyodide.asm.mjs`).href);
  const createPyodideModule = async (settings) => {
    const core = await createCore(settings);
    const heap = snapshot.length - new DataView(snapshot.buffer).getUint32(4, true);
    if (core.HEAP8.length < heap && !core._emscripten_resize_heap(heap)) throw new Error(`no ${heap} bytes of memory`);
    return core;
  };
  const py = await loadPyodide({ indexURL: base, _loadSnapshot: snapshot, createPyodideModule });
  unpack(py);
  const found = py.runPython(
    "from emerge_wasm.browser import native; native.use_native_msgpack(); import msgpack; msgpack.Packer.__module__",
  );
  if (found !== "msgpack._cmsgpack") throw new Error(`after the restore msgpack is ${found}`);
}

try {
  const snapshot = await make();
  await check(new Uint8Array(snapshot));
  writeFileSync(base + name, snapshot);
} catch (error) {
  // the page then starts Python the slow way; a build must not fail for want of a private API
  rmSync(base + name, { force: true });
  console.error(`no memory snapshot: ${String(error?.message ?? JSON.stringify(error)).slice(-2000)}`);
  process.exitCode = 0;
}
