/** node pyodide.mjs FOLDER SOURCES TESTS CASES: what place.py does of the cases in CASES, in the folder's Python. */

import { mount, runIn } from "../pyodide.mjs";

// Copied, because each look at a file of the machine is slow.
const RUN = `
import place, shutil
shutil.copytree("/machine", "/cases")
place.main("bytes", "/cases")
shutil.copy("/cases/bytes3.14.json", "/machine")
`;
const [folder, sources, tests, cases] = process.argv.slice(2);
await runIn(folder, sources, (py) => {
  mount(py, "/tests", tests);
  mount(py, "/machine", cases);
  py.runPython(RUN);
});
