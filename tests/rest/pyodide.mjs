/** node pyodide.mjs FOLDER SOURCES SCRIPT URL TOKEN: run a script's main() in the folder's Pyodide, with the sources as they are now. */

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [folder, sources, script, url, token] = process.argv.slice(2);
const base = `${resolve(folder)}/`;
const { loadPyodide } = await import(pathToFileURL(`${base}pyodide.mjs`).href);
const lock = JSON.parse(readFileSync(`${base}pyodide-lock.json`, "utf8"));
const py = await loadPyodide({ indexURL: base });
const extractDir = py.runPython("import sys; sys.path[-1]");
for (const { file_name } of ["msgpack", "tzdata"].flatMap((name) => lock.packages[name] ?? []))
  py.unpackArchive(new Uint8Array(readFileSync(base + file_name)), "zip", { extractDir });
py.FS.mkdirTree("/sources");
py.mountNodeFS("/sources", resolve(sources));
py.runPython("import sys; sys.path.insert(0, '/sources')");
py.globals.set("URL", url);
py.globals.set("TOKEN", token);
try {
  await py.runPythonAsync(`${readFileSync(script, "utf8")}\nawait main()`);
  process.exit(0);
} catch (error) {
  console.error(String(error));
  process.exit(1);
}
