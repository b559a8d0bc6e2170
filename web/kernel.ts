/** The page's side of the kernel: starts the worker, asks it, hears its events, interrupts and restarts it. */

import guestScript from "./guest?worker&url";
import { Frame } from "./frame";
import type { Calls, Event as KernelEvent, Failure, Kind, Start, ToPage, ToWorker } from "./protocol";

export type EventName = KernelEvent["event"];
export type EventOf<N extends EventName> = Extract<KernelEvent, { event: N }>;
type Listener<N extends EventName> = (event: EventOf<N>) => void;

/** A call that failed, as the kernel said it. */
export class KernelError extends Error {
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.message);
    this.name = "KernelError";
    this.failure = failure;
  }
}

interface Pending {
  resolve(result: unknown): void;
  reject(error: KernelError): void;
}

const BEAT = 3_000; // ms between heartbeats
const MISSED = 4; // heartbeats without an answer before the kernel counts as stuck

/** Where Pyodide is served; the build knows the folder's hash. */
const BASE = new URL(`/${__PYODIDE__}/`, location.href).href;
/** The closed-in document; named by the build, since browsers keep it for good. */
const GUEST = `/guest?${__PYODIDE__}`;
const RELAY = `${location.origin.replace(/^http/, "ws")}/ws`;

export class Kernel {
  readonly base: string;
  readonly relay: string;
  #worker: Worker | null = null;
  #pending = new Map<number, Pending>();
  #next = 1;
  #listeners = new Map<EventName, Set<Listener<EventName>>>();
  #latest = new Map<EventName, KernelEvent>();
  #passed = new Map<number, Blob>();
  #interrupt: Uint8Array | null = null;
  #beat: ReturnType<typeof setInterval> | undefined;
  #unanswered = 0;
  #frame = new Frame();
  #allowed: () => string[];

  /** `allowed`: the keys of code that the user has let run, asked for at each start. */
  constructor({ base = BASE, relay = RELAY, allowed = () => [] }: { base?: string; relay?: string; allowed?: () => string[] } = {}) {
    this.base = base;
    this.relay = relay;
    this.#allowed = allowed;
    this.#start();
  }

  /** Whether `interrupt` can stop a running loop (the page must be cross-origin isolated). */
  get interruptible(): boolean {
    return this.#interrupt !== null;
  }

  /** Ask the kernel. Rejects with a KernelError; asked before the kernel is ready, it waits. */
  call<K extends Kind>(kind: K, args: Calls[K][0]): Promise<Calls[K][1]> {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve: (result) => resolve(result as Calls[K][1]), reject });
      this.#post({ id, kind, args } as ToWorker);
    });
  }

  /** Pass a file for a run, before it is asked for. */
  give(run: number, file: Blob): void {
    this.#post({ run, file });
  }

  /** The file that a run has made. */
  take(run: number): Blob | null {
    const file = this.#passed.get(run) ?? null;
    this.#passed.delete(run);
    return file;
  }

  /** Hear an event from now on; the newest `kernel`, `features` and `connection` comes at once, if there was one.
   *  The returned function ends it. */
  on<N extends EventName>(name: N, listener: Listener<N>): () => void {
    const heard = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, heard);
    heard.add(listener as unknown as Listener<EventName>);
    const latest = this.#latest.get(name);
    if (latest) listener(latest as EventOf<N>);
    return () => heard.delete(listener as unknown as Listener<EventName>);
  }

  /** Stop the running cell. False when this page can only stop one that waits, not a loop (offer `restart` too). */
  interrupt(): boolean {
    if (this.#interrupt) Atomics.store(this.#interrupt, 0, 2);
    this.#post({ interrupt: true });
    return this.interruptible;
  }

  /** End the worker and start a new one. What waits for an answer fails; names defined in cells are lost. */
  restart(): void {
    this.#stop("the kernel was restarted");
    this.#latest.clear();
    this.#start();
  }

  #start(): void {
    const isolated = globalThis.crossOriginIsolated && typeof SharedArrayBuffer !== "undefined";
    this.#interrupt = isolated ? new Uint8Array(new SharedArrayBuffer(1)) : null;
    this.#worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module", name: "kernel" });
    this.#worker.onmessage = ({ data }: MessageEvent<ToPage>) => this.#receive(data);
    this.#worker.onerror = (error) => this.#die(error.message || "the worker could not be loaded");
    this.#emit({ event: "kernel", state: "loading", detail: "" });
    this.#unanswered = 0;
    this.#beat = setInterval(() => this.#listen(), BEAT);
    const guest = new URL(guestScript, location.href).href;
    const start: Start = { start: true, relay: this.relay, base: this.base, interrupt: this.#interrupt, guest, allowed: this.#allowed() };
    this.#post(start);
  }

  #stop(why: string): void {
    clearInterval(this.#beat);
    this.#worker?.terminate();
    this.#worker = null;
    this.#frame.close();
    const failure: Failure = { code: "Unavailable", message: why, path: null, remedy: null, traceback: null };
    for (const { reject } of this.#pending.values()) reject(new KernelError(failure));
    this.#pending.clear();
  }

  #die(detail: string): void {
    this.#stop(`the kernel stopped: ${detail}`);
    this.#emit({ event: "kernel", state: "dead", detail });
  }

  #post(message: ToWorker): void {
    if (this.#worker) this.#worker.postMessage(message);
    else if ("id" in message) this.#answer({ id: message.id, failure: GONE });
  }

  #receive(message: ToPage): void {
    const silent = this.#unanswered > MISSED;
    this.#unanswered = 0;
    if ("file" in message) this.#passed.set(message.run, message.file);
    else if ("line" in message) void this.#giveLine(this.#worker);
    else if ("pong" in message) {
      const kernel = this.#latest.get("kernel");
      if (silent && kernel) this.#emit(kernel); // takes the warning back
    } else if ("event" in message) {
      if (message.event === "kernel" && message.state === "dead") this.#die(message.detail);
      else this.#emit(message);
    } else this.#answer(message);
  }

  async #giveLine(worker: Worker | null): Promise<void> {
    try {
      const line = await this.#frame.open(GUEST);
      worker?.postMessage({ line, detail: "" }, [line]);
    } catch (error) {
      worker?.postMessage({ line: null, detail: error instanceof Error ? error.message : String(error) });
    }
  }

  #answer(reply: Extract<ToPage, { id: number }>): void {
    const pending = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if ("failure" in reply) pending?.reject(new KernelError(reply.failure));
    else pending?.resolve(reply.result);
  }

  #emit(event: KernelEvent): void {
    if (event.event === "kernel" || event.event === "features" || event.event === "connection") {
      this.#latest.set(event.event, event);
    }
    for (const listener of this.#listeners.get(event.event) ?? []) listener(event);
  }

  /** One heartbeat: Python itself must answer. Silent while a cell runs is told as such; silent otherwise is dead. */
  #listen(): void {
    const kernel = this.#latest.get("kernel") as EventOf<"kernel"> | undefined;
    if (kernel?.state === "loading") return;
    this.#post({ ping: true });
    this.#unanswered += 1;
    if (this.#unanswered <= MISSED) return;
    if (kernel?.state !== "busy") this.#die("Python does not answer any more");
    else if (this.#unanswered === MISSED + 1) this.#warn(kernel);
  }

  /** Not kept as the latest state: it holds until the next answer. */
  #warn(kernel: EventOf<"kernel">): void {
    const detail = "Python has not answered for 12 s: wait, stop it, or restart the kernel";
    for (const listener of this.#listeners.get("kernel") ?? []) listener({ ...kernel, detail });
  }
}

const GONE: Failure = {
  code: "Unavailable",
  message: "the kernel is not running",
  path: null,
  remedy: "restart it",
  traceback: null,
};
