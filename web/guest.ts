/** A guest worker: Python for code of others, in a document of no origin that reaches no network. All it needs comes
 *  over the one channel it has: first the files of Pyodide, then messages of bytes (py/emerge_wasm/browser/guests/worker.py). */

import type { PyodideConfig } from "pyodide";
import type { CreateCore } from "./heap.mjs";
import { addLibraries } from "./archives";
import { type LoadPyodide, restore } from "./snapshot";
import { completeErrors } from "./stackless";

/** By name, what the kernel worker fetched. */
export interface Files {
  "pyodide.mjs": ArrayBuffer;
  "pyodide.asm.mjs": ArrayBuffer;
  "pyodide.asm.wasm": ArrayBuffer;
  "python_stdlib.zip": ArrayBuffer;
  "pyodide-lock.json": ArrayBuffer;
  "libraries.tar": ArrayBuffer;
  "snapshot.bin": ArrayBuffer | null;
}

const BASE = "https://guest.invalid/";
const RECURSION = 350; // as in the kernel

async function importText<T>(text: ArrayBuffer): Promise<T> {
  const address = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  try {
    return (await import(/* @vite-ignore */ address)) as T;
  } catch (error) {
    // WebKit reads no blob's module where there is no origin; a name, since each line of a traceback would repeat the address
    const named = encodeURIComponent(`${new TextDecoder().decode(text)}\n//# sourceURL=guest.mjs`);
    return (await import(/* @vite-ignore */ `data:text/javascript,${named}`).catch(() => Promise.reject(error as Error))) as T;
  } finally {
    URL.revokeObjectURL(address);
  }
}

/** Pyodide fetches its parts by their addresses: they are here already. The returned function ends it. */
function serve(files: Files): () => void {
  const own = globalThis.fetch;
  const types: Record<string, string> = { wasm: "application/wasm", json: "application/json" };
  globalThis.fetch = async (input) => {
    const name = String(input instanceof Request ? input.url : input).slice(BASE.length);
    const file = files[name as keyof Files];
    if (!file) return new Response(null, { status: 404 });
    return new Response(file, { headers: { "Content-Type": types[name.split(".").at(-1) ?? ""] ?? "application/octet-stream" } });
  };
  return () => void (globalThis.fetch = own);
}

async function boot(files: Files, port: MessagePort): Promise<void> {
  completeErrors();
  const served = serve(files);
  const { loadPyodide } = await importText<{ loadPyodide: LoadPyodide }>(files["pyodide.mjs"]);
  const core = await importText<{ default: CreateCore }>(files["pyodide.asm.mjs"]);
  const sync = "Suspending" in WebAssembly && "promising" in WebAssembly;
  const config = { indexURL: BASE, enableRunUntilComplete: sync } as PyodideConfig;
  const snapshot = files["snapshot.bin"];
  const restored = snapshot && (await restore(config, snapshot, core.default, loadPyodide));
  const slow = { ...config, createPyodideModule: core.default } as unknown as PyodideConfig;
  const py = restored || (await loadPyodide(slow));
  served();
  addLibraries(files["libraries.tar"], py, Boolean(restored));
  const guest = py.pyimport("emerge_wasm.browser.guests.worker");
  const post = (data: Uint8Array): void => port.postMessage(data);
  guest.start(post, RECURSION, Boolean(restored));
  const hear = guest.hear as (data: Uint8Array) => void;
  port.onmessage = ({ data }: MessageEvent<Uint8Array>) => hear(data);
  port.postMessage("ready");
}

onmessage = ({ ports }) => {
  const port = ports[0];
  onmessage = null;
  if (!port) return;
  port.onmessage = ({ data }: MessageEvent<Files>) => {
    boot(data, port).catch((error: unknown) => port.postMessage(`it could not be started: ${String(error)}`));
  };
};
