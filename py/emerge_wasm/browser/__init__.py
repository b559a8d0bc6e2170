"""The shell of a browser tab: runs in Pyodide's worker, imports on CPython too (js and pyodide only when called)."""
