/** What vite.config.ts puts into the page. */

/** The folder that Pyodide is served from: `pyodide-<hash>`. */
declare const __PYODIDE__: string;

/** A worker's script, built into one file: its address. */
declare module "*?worker&url" {
  const address: string;
  export default address;
}
