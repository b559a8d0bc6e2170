"""The Python side of a browser tab. Runs in a Pyodide worker; importable on CPython (js and pyodide load on use)."""
