/** A kernel worker: boots Pyodide and carries messages between the page and Python. Only text crosses into it and out.
 *
 *  There are two, alike until the page says which is which: the page's, with both filesystems and all that the page asks (`emerge_wasm.browser.kernel`), and that
 *  of the cells (cells.ts). Where the page has only one, that does both. */

import { boot, type Python, RECURSION, SYNC } from "./boot";
import { startCells, type Entry } from "./cells";
import * as guests from "./guests";
import * as indexeddb from "./indexeddb";
import * as opfs from "./opfs";
import { keepPackages } from "./packages";
import { serve, type Server } from "./peer";
import type { Boot, Event as KernelEvent, Line, Options, Peer, Request, Start, StartCells, ToPage, ToWorker } from "./protocol";
import * as transfer from "./transfer";

const LATER = 500; // ms after the start, in which a first cell most likely runs

let python: Python | null = null;
let interrupt: Uint8Array | null = null;
let entry: Entry | null = null;
let server: Server | null = null;
let peer: Peer | null = null;
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

/** Hold a lock for as long as this worker lives: who waits for it learns at once that it has ended. */
function hold(lock: string): Promise<void> {
  const forever = new Promise<void>(() => undefined);
  return new Promise((resolve) => {
    if (navigator.locks) void navigator.locks.request(lock, () => (resolve(), forever));
    else resolve();
  });
}

async function begin({ boot: base, parts, lock }: Boot): Promise<void> {
  const held = hold(lock);
  keepPackages(self);
  const { py, fill, parts: made } = await boot(base, parts);
  (py as unknown as { _api: { on_fatal: (error: unknown) => void } })._api.on_fatal = die;
  python = { py, fill };
  const { archives, snapshot } = made;
  await held;
  postMessage({ booted: made } satisfies ToPage, { transfer: [...(archives ? Object.values(archives) : []), ...(snapshot ? [snapshot] : [])] });
}

/** The byte of interrupts as Python uses it: it reads the byte and then writes 0, whatever has come in between. */
function signals(bytes: Uint8Array): Uint8Array {
  let seen = 0;
  const safe = {
    get 0(): number {
      return (seen = Atomics.load(bytes, 0));
    },
    set 0(_: number) {
      if (seen !== 0) Atomics.compareExchange(bytes, 0, seen, 0);
    },
  };
  return safe as unknown as Uint8Array; // nothing else of it is used
}

function start(what: Start | StartCells): void {
  if (python === null) throw new Error("Python is not there yet");
  interrupt = "peer" in what ? what.peer.interrupt : what.interrupt;
  if (interrupt) python.py.setInterruptBuffer(signals(interrupt));
  entry = "peer" in what ? startCells(python, what, send) : startPage(python, what);
  setTimeout(finish, LATER, python);
}

/** What the start does without. */
async function finish({ py, fill }: Python): Promise<void> {
  if (fill === null) return;
  try {
    await fill();
  } catch {
    return; // what Python reads of them is asked for again
  }
  if (SYNC) useNative(py); // WebKit, which has none, links a module for longer than all else takes together
}

function useNative(py: Python["py"]): void {
  const native = py.pyimport("emerge_wasm.browser.native");
  native.use_native_msgpack();
  native.destroy();
}

function startPage({ py, fill }: Python, start: Start): Entry {
  py.registerJsModule("emerge_indexeddb", indexeddb);
  py.registerJsModule("emerge_opfs", opfs);
  guests.configure({ base: start.base, script: start.guest, line: askLine });
  py.registerJsModule("emerge_guests", guests);
  transfer.configure(send);
  py.registerJsModule("emerge_transfer", transfer);
  const kernel = py.pyimport("emerge_wasm.browser.kernel");
  const post = (text: string): void => send(JSON.parse(text) as ToPage);
  const { relay, allowed, apart = false, blocks = false } = start;
  const sync = SYNC || blocks;
  const options: Options = { relay, sync, interrupt: interrupt !== null, recursion: RECURSION, restored: fill !== null, allowed, apart };
  kernel.start(post, JSON.stringify(options));
  server = { attach: kernel.attach, hear: kernel.hear, detach: kernel.detach };
  if (peer) serve(peer, server);
  return { submit: kernel.submit, pulse: kernel.pulse, stop: kernel.stop };
}

function meet(given: Peer | null): void {
  peer = given;
  if (server) serve(peer, server);
}

function submit({ id, kind, args, deed }: Request): void {
  try {
    entry?.submit(id, kind, JSON.stringify(args), ...(deed ? [JSON.stringify(deed)] : []));
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
  if ("boot" in data) begin(data).catch(die);
  else if ("start" in data) start(data);
  else if ("ping" in data) pulse();
  else if ("interrupt" in data) stop();
  else if ("line" in data) lined?.(data);
  else if ("file" in data) transfer.give(data);
  else if ("meet" in data) meet(data.meet);
  else submit(data);
};
