/** Starts Pyodide in a worker from our own origin, from a memory snapshot when there is one. */

import type { PyodideAPI, PyodideConfig } from "pyodide";
import type { Parts } from "./protocol";
import type { CreateCore } from "./heap.mjs";
import { addLibraries, fetchArchives, fetchBytes, promiseArchives, STDLIB } from "./archives";
import { fetchSnapshot, type LoadPyodide, restore } from "./snapshot";
import { completeErrors } from "./stackless";

export const RECURSION = 350; // deeper recursion through C code ends the interpreter in some browsers before Python notices
/** Whether Python can wait for a promise (JSPI). */
export const SYNC = "Suspending" in WebAssembly && "promising" in WebAssembly;
const WASM = "pyodide.asm.wasm";

export interface Python {
  py: PyodideAPI;
  /** Fills the archives that Python imports from; null when it did not come out of the snapshot, and has them. */
  fill: (() => Promise<void>) | null;
}

type Scripts = [{ loadPyodide: LoadPyodide }, { default: CreateCore }];

/** A Python with emerge_wasm in it, and what it was made from. All that is not `given` is fetched, at the same time. */
export async function boot(base: string, given: Partial<Parts>): Promise<Python & { parts: Parts }> {
  completeErrors();
  const scripts = Promise.all([import(/* @vite-ignore */ `${base}pyodide.mjs`), import(/* @vite-ignore */ `${base}pyodide.asm.mjs`)]);
  const [parts, [{ loadPyodide }, { default: create }]] = await Promise.all([gather(base, given), scripts as Promise<Scripts>]);
  const config = { indexURL: base, packageBaseUrl: base, lockFileContents: parts.lock, enableRunUntilComplete: SYNC } as PyodideConfig;
  const start = async (stdlib: ArrayBuffer, load: () => Promise<PyodideAPI | null>): Promise<PyodideAPI | null> => {
    const handed = handOver(base, parts.module, stdlib);
    return load().finally(handed);
  };
  const { snapshot } = parts;
  let py = snapshot && (await start(new ArrayBuffer(), () => restore(config, snapshot, create, loadPyodide)));
  const fill = py && promiseArchives(base, py);
  if (!py) {
    parts.archives ??= await fetchArchives(base);
    py = (await start(parts.archives.stdlib, () => loadPyodide(config))) as PyodideAPI;
    addLibraries(parts.archives.libraries, py, false);
  }
  Object.assign(py.loadedPackages, { msgpack: "default channel", "emerge-wasm": "default channel" });
  return { py, fill, parts };
}

async function gather(base: string, given: Partial<Parts>): Promise<Parts> {
  const [module, lock, snapshot] = await Promise.all([
    given.module ?? WebAssembly.compileStreaming(fetch(base + WASM)),
    given.lock ?? fetchBytes(`${base}pyodide-lock.json`).then((bytes) => new TextDecoder().decode(bytes)),
    given.snapshot ?? fetchSnapshot(base),
  ]);
  return { module, lock, snapshot, archives: given.archives ?? null };
}

/** Pyodide would fetch and compile these by itself, after the snapshot and each time. The returned function ends it. */
function handOver(base: string, module: WebAssembly.Module, stdlib: ArrayBuffer): () => void {
  const { fetch } = globalThis;
  const { instantiateStreaming } = WebAssembly;
  const there = new Map<string, BodyInit | null>([[base + WASM, null], [base + STDLIB, stdlib]]);
  globalThis.fetch = async (input, init) => {
    const body = there.get(String(input));
    return body === undefined ? fetch(input, init) : new Response(body);
  };
  WebAssembly.instantiateStreaming = async (_, imports) => ({ module, instance: await WebAssembly.instantiate(module, imports) });
  return () => {
    globalThis.fetch = fetch;
    WebAssembly.instantiateStreaming = instantiateStreaming;
  };
}
