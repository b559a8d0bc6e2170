/** The page's side of Python: two kernels, or one on a small device. The page's has both filesystems and answers all that
 *  the page asks; that of the cells runs cells and reaches them through it, so that a cell which computes holds up
 *  nothing else. */

import guestScript from "./guest?worker&url";
import { Deeds, leavesOpen } from "./deeds";
import { Frame } from "./frame";
import { type Heard, KernelError, KernelWorker } from "./kernel_worker";
import { createRing } from "./ring";
import type { Calls, Event as KernelEvent, Kind, Parts, Peer, Start, StartCells } from "./protocol";


export type KernelState = Extract<KernelEvent, { event: "kernel" }>["state"];
/** What the kernel of cells does; where there is one kernel, what that does. */
export interface CellsEvent {
  event: "cells";
  state: KernelState;
  detail: string;
}
type PageEvent = KernelEvent | CellsEvent;
export type EventName = PageEvent["event"];
export type EventOf<N extends EventName> = Extract<PageEvent, { event: N }>;
type Listener<N extends EventName> = (event: EventOf<N>) => void;

/** Where Pyodide is served; the build knows the folder's hash. */
const BASE = new URL(`/${__PYODIDE__}/`, location.href).href;
/** The closed-in document; named by the build, since browsers keep it for good. */
const GUEST = `/guest?${__PYODIDE__}`;
const RELAY = `${location.origin.replace(/^http/, "ws")}/ws`;
/** Requests that the kernel of cells answers (py/emerge_wasm/browser/requests/handlers.py). */
const CELL_KINDS: ReadonlySet<Kind> = new Set<Kind>(["cell", "select", "assist", "relive"]);
const FIRST_CELL = 200; // ms that the cell which waited has the processor to itself
/** Events of which a new listener gets the newest at once. */
const KEPT: ReadonlySet<EventName> = new Set<EventName>(["kernel", "cells", "features", "connection"]);

export interface Settings {
  base?: string;
  relay?: string;
  /** The keys of code that the user has let run, asked for at each start. */
  allowed?: () => string[];
  /** Whether cells get a kernel of their own, which takes as much memory again. */
  apart?: boolean;
}

export class Kernel {
  readonly base: string;
  readonly relay: string;
  readonly apart: boolean;
  #page = new KernelWorker("kernel", (message) => this.#hear(message));
  #cells = new KernelWorker("cells", (message) => this.#hearCells(message));
  #listeners = new Map<EventName, Set<Listener<EventName>>>();
  #latest = new Map<EventName, PageEvent>();
  #deeds = new Deeds();
  /** Which files were passed, by their runs. */
  #given = new Map<number, string>();
  #passed = new Map<number, Blob>();
  #interrupt: Uint8Array | null = null;
  #hurried = false;
  /** Whether the kernel of cells has begun a cell since the last start of all. */
  #used = false;
  /** For the kernel that begins when the first one can be used. */
  #parts: Parts | null = null;
  #module: WebAssembly.Module | undefined;
  #frame = new Frame();
  #allowed: () => string[];
  #isolated = globalThis.crossOriginIsolated && typeof SharedArrayBuffer !== "undefined";

  constructor({ base = BASE, relay = RELAY, allowed = () => [], apart = true }: Settings = {}) {
    this.base = base;
    this.relay = relay;
    this.apart = apart;
    this.#allowed = allowed;
    this.#start();
  }

  /** Whether `interrupt` stops a running loop, too (the page must share memory with its workers). */
  get interruptible(): boolean {
    return this.#interrupt !== null;
  }

  /** Ask the kernel that it is for. Rejects with a KernelError; asked before the kernel is ready, it waits. */
  call<K extends Kind>(kind: K, args: Calls[K][0]): Promise<Calls[K][1]> {
    const worker = this.apart && CELL_KINDS.has(kind) ? this.#cells : this.#page;
    const begun = this.#deeds.begin(kind, "run" in args && typeof args.run === "number" ? { ...args, run: this.#given.get(args.run) } : args);
    const answer = worker.call(kind, args, begun?.deed) as Promise<Calls[K][1]>;
    if (begun !== null) {
      answer.then(
        (result) => begun.settle(leavesOpen(result)),
        (error: KernelError) => begun.settle(error.failure.code === "Unavailable"),
      );
    }
    return answer;
  }

  /** Pass a file for a run, before it is asked for. */
  give(run: number, file: Blob): void {
    this.#given.set(run, file instanceof File ? [file.name, file.lastModified].join() : "");
    this.#page.post({ run, file });
  }

  /** The file that a run has made. */
  take(run: number): Blob | null {
    const file = this.#passed.get(run) ?? null;
    this.#passed.delete(run);
    return file;
  }

  /** Hear an event from now on; the newest of `kernel`, `cells`, `features` and `connection` comes at once, if there was
   *  one. The returned function ends it. */
  on<N extends EventName>(name: N, listener: Listener<N>): () => void {
    const heard = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, heard);
    heard.add(listener as unknown as Listener<EventName>);
    const latest = this.#latest.get(name);
    if (latest) listener(latest as EventOf<N>);
    return () => heard.delete(listener as unknown as Listener<EventName>);
  }

  /** Ask the running cell to stop: one that awaits does; for one that computes see `interruptible`. */
  interrupt(): void {
    if (this.#interrupt) Atomics.store(this.#interrupt, 0, 2);
    (this.apart ? this.#cells : this.#page).post({ interrupt: true });
  }

  /** End the kernel of cells and start a new one: names defined in cells are lost, and nothing else is touched. The
   *  page's is started anew as well if it has died, or if it is the only one. */
  restart(): void {
    if (this.apart && this.#page.state !== "dead" && this.#page.state !== null) {
      this.#stopCells();
      this.#cells.boot(this.base, { module: this.#module });
      return;
    }
    this.#stopAll("the kernel was restarted");
    this.#latest.clear();
    this.#start();
  }

  /** A cell waits: if no Python is there yet, the first one is for cells. */
  hurry(): void {
    this.#hurried = true;
  }

  #start(): void {
    this.#hurried = this.#used = false;
    this.#parts = null;
    this.#page.boot(this.base, { module: this.#module });
  }

  /** The page's worker has booted. Of two, the first one serves who waits. */
  #booted(parts: Parts): void {
    this.#module = parts.module;
    if (!this.apart || this.#cells.state !== null) return this.#startPage();
    this.#parts = parts;
    if (this.#hurried) {
      this.#page.pass(this.#cells);
      this.#startCells();
    } else this.#startPage();
  }

  /** One kernel can be used; start the other. Side by side both would take twice as long. */
  #bootOther(): void {
    const parts = this.#parts;
    this.#parts = null;
    if (parts === null) return;
    if (this.#cells.state === null) this.#cells.boot(this.base, parts);
    else this.#page.boot(this.base, parts);
  }

  #startPage(): void {
    if (!this.apart) this.#interrupt = this.#makeInterrupt();
    const guest = new URL(guestScript, location.href).href;
    const { relay, base, apart } = this;
    const shared = { relay, base, guest, allowed: this.#allowed(), apart };
    const start: Start = { start: true, ...shared, interrupt: apart ? null : this.#interrupt, blocks: apart && this.#isolated };
    this.#page.start(start);
  }

  #startCells(): void {
    const { port1, port2 } = new MessageChannel();
    this.#interrupt = this.#makeInterrupt();
    const shared = { ring: this.#isolated ? createRing() : null, interrupt: this.#interrupt };
    const start: StartCells = { start: true, peer: { port: port2, ...shared } };
    const peer: Peer = { port: port1, ...shared };
    this.#page.post({ meet: peer }, [port1]);
    this.#cells.start(start, [port2]);
  }

  #makeInterrupt(): Uint8Array | null {
    return this.#isolated ? new Uint8Array(new SharedArrayBuffer(1)) : null;
  }

  #stopCells(): void {
    this.#cells.stop("the kernel was restarted");
    this.#page.post({ meet: null });
  }

  #stopAll(why: string): void {
    this.#page.stop(why);
    this.#cells.stop(why);
    this.#frame.close();
  }

  #hear(message: Heard): void {
    if ("booted" in message) this.#booted(message.booted);
    else if ("file" in message) this.#passed.set(message.run, message.file);
    else if ("line" in message) void this.#giveLine();
    else {
      if (message.event === "kernel") this.#follow(message);
      this.#emit(message);
    }
  }

  /** The page's kernel has come, or gone. */
  #follow({ state, detail }: EventOf<"kernel">): void {
    if (!this.apart) this.#emit({ event: "cells", state, detail });
    else if (state === "ready") this.#bootOther();
    else if (state === "dead") {
      this.#cells.stop("the page's kernel stopped"); // its link is gone
      this.#emit({ event: "cells", state: "dead", detail });
    }
    if (state === "dead") this.#frame.close();
  }

  #hearCells(message: Heard): void {
    if ("booted" in message) this.#startCells();
    if (!("event" in message)) return;
    if (message.event !== "kernel") return this.#emit(message);
    if (message.state === "dead") this.#page.post({ meet: null });
    if (message.state === "ready" && !this.#used) setTimeout(() => this.#bootOther(), FIRST_CELL);
    else if (message.state !== "loading" && message.state !== "busy") this.#bootOther();
    this.#used ||= message.state === "busy";
    this.#emit({ ...message, event: "cells" });
  }

  async #giveLine(): Promise<void> {
    try {
      const line = await this.#frame.open(GUEST);
      this.#page.post({ line, detail: "" }, [line]);
    } catch (error) {
      this.#page.post({ line: null, detail: error instanceof Error ? error.message : String(error) });
    }
  }

  #emit(event: PageEvent): void {
    if (KEPT.has(event.event)) this.#latest.set(event.event, event);
    for (const listener of this.#listeners.get(event.event) ?? []) listener(event);
  }
}
