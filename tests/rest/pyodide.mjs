/** node pyodide.mjs FOLDER SOURCES SCRIPT URL TOKEN [PACKAGE…]: run a script's main() in the folder's Python. */

import { readFileSync } from "node:fs";
import { runIn } from "../pyodide.mjs";

const [folder, sources, script, url, token, ...packages] = process.argv.slice(2);
await runIn(folder, sources, async (py, unpack) => {
  packages.forEach(unpack);
  py.globals.set("URL", url);
  py.globals.set("TOKEN", token);
  await py.runPythonAsync(`${readFileSync(script, "utf8")}\nawait main()`);
});
