/** What vite.config.ts puts into the page. */

/** The folder that Pyodide is served from: `pyodide-<hash>`. */
declare const __PYODIDE__: string;
