/** Two builds: the page (default), and `--mode parts`, modules of the worker alone for tests inside Pyodide. */

import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig, type Plugin, type UserConfig } from "vite";

const ROOT = import.meta.dirname;

/** The folder that buildtools/distribution.py made. */
function pyodideFolder(): string {
  const found = existsSync(`${ROOT}/dist`) && readdirSync(`${ROOT}/dist`).find((name) => name.startsWith("pyodide-"));
  return found || "pyodide";
}

/** Gives the service worker the list of what this build serves for ever. */
function fileList(folder: string): Plugin {
  return {
    name: "emerge-file-list",
    apply: "build",
    closeBundle() {
      const files = ["assets", folder].flatMap((under) =>
        existsSync(`${ROOT}/dist/${under}`) ? readdirSync(`${ROOT}/dist/${under}`).map((name) => `/${under}/${name}`) : [],
      ).filter((name) => !/\.(zst|gz)$/.test(name)); // those are how the relay sends them
      const path = `${ROOT}/dist/sw.js`;
      if (!existsSync(path)) return;
      writeFileSync(path, readFileSync(path, "utf8").replace("__FILES__", JSON.stringify(files.sort())));
    },
  };
}

/** What the first screen needs, each with all that it imports, as few files: each file takes the browser and the relay 5 ms
 *  of their processors, while Python starts. */
const FIRST = [
  { name: "start", test: /web\/main\.ts$/, priority: 3 },
  { name: "app", test: /web\/app\/show\.ts$/, priority: 2 },
  { name: "editor", test: /web\/app\/ui\/(codemirror|colour)\.ts$/, priority: 1 },
];

const parts: UserConfig = {
  publicDir: false,
  build: {
    outDir: "dist/pyodide",
    emptyOutDir: false,
    target: "es2023",
    lib: {
      entry: { emerge_indexeddb: "web/indexeddb.ts", emerge_boot: "web/boot.ts" },
      formats: ["es"],
      fileName: (_, name) => `${name}.mjs`,
    },
  },
};

function page(folder: string): UserConfig {
  return {
    publicDir: "web/public",
    plugins: [svelte(), fileList(folder)],
    define: { __PYODIDE__: JSON.stringify(folder) },
    worker: { format: "es" },
    build: {
      outDir: "dist",
      emptyOutDir: false,
      target: "es2023",
      modulePreload: { polyfill: false },
      chunkSizeWarningLimit: 1500,
      rollupOptions: {
        input: { index: "index.html", sw: "web/sw.ts" },
        output: {
          entryFileNames: ({ name }) => (name === "sw" ? "sw.js" : "assets/[name]-[hash].js"),
          codeSplitting: { groups: FIRST },
        },
      },
    },
  };
}

export default defineConfig(({ mode }) => (mode === "parts" ? parts : page(pyodideFolder())));
