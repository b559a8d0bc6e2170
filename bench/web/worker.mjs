/** The peer of the page's kernel: Pyodide as its own documentation starts it, and one statement. */

import { loadPyodide } from "/pyodide/pyodide.mjs";

const py = await loadPyodide({ indexURL: "/pyodide/" });
postMessage(String(py.runPython("1+1")));
