/** What a fast start needs: the memory snapshot, kept in one place only (the Cache API, not the HTTP cache too). */

import type { PyodideAPI, PyodideConfig } from "pyodide";
import { type CreateCore, withSnapshot } from "./heap.mjs";

const SNAPSHOT = "snapshot.bin";
const STORE = "emerge-snapshot";
const STARTED = 1_000; // ms after which both kernels have most likely started

/** The file of this build's snapshot, null when the build made none (or it cannot be had now: Python then starts slowly). */
export async function fetchSnapshot(base: string): Promise<ArrayBuffer | null> {
  const url = new URL(SNAPSHOT, base).href;
  try {
    const cache = "caches" in globalThis ? await caches.open(STORE).catch(() => null) : null;
    const kept = await cache?.match(url);
    if (kept) return await kept.arrayBuffer();
    const response = await fetch(url, { cache: "no-store" });
    if (!response.ok) return null;
    const file = await response.arrayBuffer();
    if (cache) keepLater(cache, url, new Response(file)); // a copy
    return file;
  } catch {
    return null;
  }
}

/** Writing so much takes a browser a second, which the start would wait for. */
function keepLater(cache: Cache, url: string, response: Response): void {
  setTimeout(() => void keep(cache, url, response).catch(() => undefined), STARTED);
}

async function keep(cache: Cache, url: string, response: Response): Promise<void> {
  for (const old of await cache.keys()) await cache.delete(old);
  await cache.put(url, response);
}

export type LoadPyodide = (config: PyodideConfig) => Promise<PyodideAPI>;

/** Start Python from a snapshot's file; null, and a warning, when that does not load. */
export async function restore(config: PyodideConfig, file: ArrayBuffer, create: CreateCore, load: LoadPyodide): Promise<PyodideAPI | null> {
  try {
    return await load({ ...config, ...withSnapshot(new Uint8Array(file), create) } as unknown as PyodideConfig);
  } catch (error) {
    console.warn("the memory snapshot did not load, so Python starts the slow way:", error);
    return null;
  }
}
