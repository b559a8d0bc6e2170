/** Boots Pyodide in a worker from our own origin, from a memory snapshot when there is one. */

import type { PyodideAPI, PyodideConfig } from "pyodide";
import { adapted, type CreateCore, fetchLibraries, fetchSnapshot, unpackTar } from "./snapshot";

export const RECURSION = 350; // deeper recursion through C code ends the interpreter in some browsers before Python notices
/** Whether Python can wait for a promise (JSPI). */
export const SYNC = "Suspending" in WebAssembly && "promising" in WebAssembly;

type Loader = (config: PyodideConfig) => Promise<PyodideAPI>;

/** A Python with emerge_wasm in it; `restored` when it came out of the snapshot. */
export async function boot(base: string, interrupt: Uint8Array | null, die: (error: unknown) => void): Promise<{ py: PyodideAPI; restored: boolean }> {
  const libraries = fetchLibraries(base);
  libraries.catch(() => undefined); // awaited below
  const { loadPyodide } = (await import(/* @vite-ignore */ `${base}pyodide.mjs`)) as { loadPyodide: Loader };
  const config = { indexURL: base, enableRunUntilComplete: SYNC } as PyodideConfig;
  const restored = await restore(base, config, loadPyodide);
  const py = restored || (await loadPyodide(config));
  (py as unknown as { _api: { on_fatal: (error: unknown) => void } })._api.on_fatal = die;
  unpackTar(await libraries, py.FS, py.runPython("import sys; sys.path[-1]") as string);
  Object.assign(py.loadedPackages, { msgpack: "default channel", "emerge-wasm": "default channel" });
  if (interrupt) py.setInterruptBuffer(interrupt);
  return { py, restored: Boolean(restored) };
}

async function restore(base: string, config: PyodideConfig, load: Loader): Promise<PyodideAPI | null> {
  const snapshot = await fetchSnapshot(base);
  if (!snapshot) return null;
  try {
    const core = (await import(/* @vite-ignore */ `${base}pyodide.asm.mjs`)) as { default: CreateCore };
    const createPyodideModule = adapted(core.default, snapshot);
    return await load({ ...config, _loadSnapshot: snapshot, createPyodideModule } as unknown as PyodideConfig);
  } catch (error) {
    console.warn("the memory snapshot did not load, so Python starts the slow way:", error);
    return null;
  }
}
