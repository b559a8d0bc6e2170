/** Starts Pyodide in a worker from our own origin, from a memory snapshot when there is one. */

import type { PyodideAPI, PyodideConfig } from "pyodide";
import type { Parts } from "./protocol";
import type { CreateCore } from "./heap.mjs";
import { addLibraries, fetchSnapshot, type LoadPyodide, restore } from "./snapshot";
import { completeErrors } from "./stackless";

export const RECURSION = 350; // deeper recursion through C code ends the interpreter in some browsers before Python notices
/** Whether Python can wait for a promise (JSPI). */
export const SYNC = "Suspending" in WebAssembly && "promising" in WebAssembly;
const WASM = "pyodide.asm.wasm";
const STDLIB = "python_stdlib.zip";

export interface Python {
  py: PyodideAPI;
  /** Whether it came out of the snapshot. */
  restored: boolean;
}

/** A Python with emerge_wasm in it, and what it was made from. All that is not `given` is fetched, at the same time. */
export async function boot(base: string, given: Partial<Parts>): Promise<Python & { parts: Parts }> {
  completeErrors();
  const scripts = Promise.all([import(/* @vite-ignore */ `${base}pyodide.mjs`), import(/* @vite-ignore */ `${base}pyodide.asm.mjs`)]);
  const [parts, [{ loadPyodide }, { default: create }]] = await Promise.all([
    gather(base, given),
    scripts as Promise<[{ loadPyodide: LoadPyodide }, { default: CreateCore }]>,
  ]);
  const handed = handOver(base, parts);
  try {
    const config = { indexURL: base, packageBaseUrl: base, lockFileContents: parts.lock, enableRunUntilComplete: SYNC } as PyodideConfig;
    const restored = parts.snapshot && (await restore(config, parts.snapshot, create, loadPyodide));
    const py = restored || (await loadPyodide(config));
    addLibraries(parts.libraries, py, Boolean(restored));
    Object.assign(py.loadedPackages, { msgpack: "default channel", "emerge-wasm": "default channel" });
    return { py, restored: Boolean(restored), parts };
  } finally {
    handed();
  }
}

async function gather(base: string, given: Partial<Parts>): Promise<Parts> {
  const [module, stdlib, libraries, lock, snapshot] = await Promise.all([
    given.module ?? WebAssembly.compileStreaming(fetch(base + WASM)),
    given.stdlib ?? fetchBytes(base + STDLIB),
    given.libraries ?? fetchBytes(`${base}libraries.tar`),
    given.lock ?? fetchBytes(`${base}pyodide-lock.json`).then((bytes) => new TextDecoder().decode(bytes)),
    given.snapshot ?? fetchSnapshot(base),
  ]);
  return { module, stdlib, libraries, lock, snapshot };
}

/** Pyodide would fetch and compile these by itself, after the snapshot and each time. The returned function ends it. */
function handOver(base: string, { module, stdlib }: Parts): () => void {
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

async function fetchBytes(url: string): Promise<ArrayBuffer> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return response.arrayBuffer();
}
