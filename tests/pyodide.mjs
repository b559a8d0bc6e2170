/** Python as the page has it, in Node: from the build's memory snapshot, or slowly, with the sources as they are now. */

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { withSnapshot } from "../web/heap.mjs";

/** Run `work` in the Python of a folder of the build, and end the process. `sources`: "", or where the newer ones are. */
export async function runIn(folder, sources, work) {
  const base = `${resolve(folder)}/`;
  const libraries = mkdtempSync(join(tmpdir(), "emerge-"));
  execFileSync("tar", ["-xf", `${base}libraries.tar`, "-C", libraries]);
  let status = 0;
  try {
    const py = sources === "" ? await restore(base) : await (await load(base))({ indexURL: base });
    const folder = py.runPython("import sys; sys.path[-1]");
    py.mountNodeFS(folder, libraries);
    if (sources !== "") py.runPython(`sys.path[-1:-1] = ["${folder}/libraries.zip", "${folder}/tzdata.zip"]`); // the snapshot has them
    if (sources !== "") mount(py, "/sources", sources);
    py.runPython("import emerge_wasm.browser.native as native; assert native.use_native_msgpack(); del native");
    await work(py, (name) => unpack(py, base, name));
  } catch (error) {
    console.error(String(error));
    status = 1;
  }
  rmSync(libraries, { recursive: true });
  process.exit(status);
}

/** Make a folder of this machine one that Python imports from. */
export function mount(py, name, folder) {
  py.FS.mkdirTree(name);
  py.mountNodeFS(name, resolve(folder));
  py.runPython(`import sys; sys.path.insert(0, ${JSON.stringify(name)})`);
}

async function load(base) {
  return (await import(pathToFileURL(`${base}pyodide.mjs`).href)).loadPyodide;
}

/** As buildtools/snapshot.mjs checks it. */
async function restore(base) {
  WebAssembly.Suspending ??= function (imported) {
    return imported;
  };
  WebAssembly.promising ??= (exported) => exported;
  const { default: createCore } = await import(pathToFileURL(`${base}pyodide.asm.mjs`).href);
  const file = new Uint8Array(readFileSync(`${base}snapshot.bin`));
  return (await load(base))({ indexURL: base, ...withSnapshot(file, createCore) });
}

function unpack(py, base, name) {
  const { file_name } = JSON.parse(readFileSync(`${base}pyodide-lock.json`, "utf8")).packages[name];
  py.unpackArchive(new Uint8Array(readFileSync(base + file_name)), "zip", { extractDir: py.runPython("import sys; sys.path[-1]") });
}
