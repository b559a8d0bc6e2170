/** The kernel worker: boots Pyodide from our own origin, from a memory snapshot when there is one, and carries
 *  messages between the page and `emerge_wasm.browser.kernel`. Only text crosses into Python and out of it. */

import type { PyodideAPI, PyodideConfig } from "pyodide";
import * as guests from "./guests";
import * as indexeddb from "./indexeddb";
import * as opfs from "./opfs";
import type { Event as KernelEvent, Line, Options, Request, Start, ToPage, ToWorker } from "./protocol";
import * as transfer from "./transfer";
import { adapted, type CreateCore, fetchLibraries, fetchSnapshot, unpackTar } from "./snapshot";

interface Entry {
  submit(id: number, kind: string, args: string): void;
  pulse(): void;
  stop(): void;
}

const RECURSION = 350; // deeper recursion through C code ends the interpreter in some browsers before Python notices
const sync = "Suspending" in WebAssembly && "promising" in WebAssembly;
let interrupt: Uint8Array | null = null;
let entry: Entry | null = null;
const waiting: Request[] = [];
let lined: ((line: Line) => void) | null = null;

function send(message: ToPage): void {
  postMessage(message);
}

function tell(event: KernelEvent): void {
  send(event);
}

function die(error: unknown): void {
  tell({ event: "kernel", state: "dead", detail: error instanceof Error ? error.message : String(error) });
}

/** A line to the page's closed-in document. */
function askLine(): Promise<MessagePort> {
  return new Promise((resolve, reject) => {
    lined = ({ line, detail }) => (line ? resolve(line) : reject(new Error(detail)));
    send({ line: true });
  });
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

type Loader = (config: PyodideConfig) => Promise<PyodideAPI>;

async function boot(start: Start): Promise<void> {
  interrupt = start.interrupt;
  const libraries = fetchLibraries(start.base);
  libraries.catch(() => undefined); // awaited below
  const { loadPyodide } = (await import(/* @vite-ignore */ `${start.base}pyodide.mjs`)) as { loadPyodide: Loader };
  const config = { indexURL: start.base, enableRunUntilComplete: sync } as PyodideConfig;
  const restored = await restore(start.base, config, loadPyodide);
  const py = restored || (await loadPyodide(config));
  (py as unknown as { _api: { on_fatal: (error: unknown) => void } })._api.on_fatal = die;
  unpackTar(await libraries, py.FS, py.runPython("import sys; sys.path[-1]") as string);
  Object.assign(py.loadedPackages, { msgpack: "default channel", "emerge-wasm": "default channel" });
  if (interrupt) py.setInterruptBuffer(interrupt);
  py.registerJsModule("emerge_indexeddb", indexeddb);
  py.registerJsModule("emerge_opfs", opfs);
  guests.configure({ base: start.base, script: start.guest, line: askLine });
  py.registerJsModule("emerge_guests", guests);
  transfer.configure(send);
  py.registerJsModule("emerge_transfer", transfer);
  const kernel = py.pyimport("emerge_wasm.browser.kernel");
  const post = (text: string): void => send(JSON.parse(text) as ToPage);
  const { relay, allowed } = start;
  const options: Options = { relay, sync, interrupt: interrupt !== null, recursion: RECURSION, restored: Boolean(restored), allowed };
  kernel.start(post, JSON.stringify(options));
  entry = { submit: kernel.submit, pulse: kernel.pulse, stop: kernel.stop };
  for (const request of waiting.splice(0)) submit(request);
}

function submit({ id, kind, args }: Request): void {
  try {
    entry?.submit(id, kind, JSON.stringify(args));
  } catch (error) {
    die(error);
  }
}

/** Stop what runs: the shared byte reaches a busy loop; this message reaches what waits. */
function stop(): void {
  if (interrupt && Atomics.exchange(interrupt, 0, 0) === 0) return; // the loop has taken it already
  entry?.stop();
}

function pulse(): void {
  try {
    entry?.pulse();
    if (entry) send({ pong: true });
  } catch (error) {
    die(error);
  }
}

onmessage = ({ data }: MessageEvent<ToWorker>) => {
  if ("start" in data) boot(data).catch(die);
  else if ("ping" in data) pulse();
  else if ("interrupt" in data) stop();
  else if ("line" in data) lined?.(data);
  else if ("file" in data) transfer.give(data);
  else if (entry) submit(data);
  else waiting.push(data);
};
