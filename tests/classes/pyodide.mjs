/** node pyodide.mjs DIST SOURCES TESTS FOLDER: what place.py does of the cases in FOLDER, in DIST's Pyodide. */

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [dist, sources, tests, folder] = process.argv.slice(2);
const base = `${resolve(dist)}/`;
const { loadPyodide } = await import(pathToFileURL(`${base}pyodide.mjs`).href);
const lock = JSON.parse(readFileSync(`${base}pyodide-lock.json`, "utf8"));
const py = await loadPyodide({ indexURL: base });
const extractDir = py.runPython("import sys; sys.path[-1]");
for (const { file_name } of ["msgpack", "tzdata"].flatMap((name) => lock.packages[name] ?? []))
  py.unpackArchive(new Uint8Array(readFileSync(base + file_name)), "zip", { extractDir });
for (const [name, path] of Object.entries({ "/sources": sources, "/tests": tests, "/cases": folder })) {
  py.FS.mkdirTree(name);
  py.mountNodeFS(name, resolve(path));
}
try {
  py.runPython("import sys; sys.path[:0] = ['/sources', '/tests']\nimport place; place.main('bytes', '/cases')");
  process.exit(0);
} catch (error) {
  console.error(String(error));
  process.exit(1);
}
