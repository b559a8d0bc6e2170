/** One kernel worker as the page has it: asks it, hears its heartbeat, and notices when it is gone. */

import type { Booted, Deed, Event as KernelEvent, Failure, Kind, Parts, Passed, Start, StartCells, ToPage, ToWorker, WantLine } from "./protocol";

/** What comes from a worker besides answers. */
export type Heard = KernelEvent | WantLine | Passed | Booted;
type StateEvent = Extract<KernelEvent, { event: "kernel" }>;

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
const MISSED = 4; // heartbeats without an answer before a kernel that runs a cell is told to be silent
const LOST = 20; // and before one that runs none counts as gone: on a machine with much to do it is only slow

export class KernelWorker {
  readonly name: string;
  #hear: (message: Heard) => void;
  #worker: Worker | null = null;
  #lock = "";
  /** What waits until the worker knows which kernel it is. */
  #held: [ToWorker, Transferable[]][] | null = null;
  #pending = new Map<number, Pending>();
  #next = 1;
  #latest: StateEvent | null = null;
  #beat: ReturnType<typeof setInterval> | undefined;
  #unanswered = 0;

  /** `hear` is given all that comes and answers no call. */
  constructor(name: string, hear: (message: Heard) => void) {
    this.name = name;
    this.#hear = hear;
  }

  get state(): StateEvent["state"] | null {
    return this.#latest?.state ?? null;
  }

  /** Ask it. Rejects with a KernelError; asked before it is ready, it waits. */
  call(kind: Kind, args: unknown, deed?: Deed): Promise<unknown> {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.post({ id, kind, args, ...(deed && { deed }) } as ToWorker);
    });
  }

  post(message: ToWorker, transfer: Transferable[] = []): void {
    if (this.#held) this.#held.push([message, transfer]);
    else if (this.#worker) this.#worker.postMessage(message, transfer);
    else if ("id" in message) this.#answer({ id: message.id, failure: GONE });
  }

  /** Start Python in a worker; when it is there, `booted` is heard. */
  boot(base: string, parts: Partial<Parts>): void {
    const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module", name: this.name });
    const lock = `kernel ${crypto.randomUUID()}`;
    this.#take(worker, lock);
    const buffers = [parts.snapshot, ...Object.values(parts.archives ?? {})];
    worker.postMessage({ boot: base, parts, lock } satisfies ToWorker, buffers.filter((part) => part != null));
  }

  /** Give the worker, which has booted, to the other kernel. */
  pass(other: KernelWorker): void {
    if (this.#worker) other.#take(this.#worker, this.#lock);
    this.#worker = null;
  }

  /** Say which kernel the worker is, now that it has booted. */
  start(message: Start | StartCells, transfer: Transferable[] = []): void {
    this.#worker?.postMessage(message, transfer);
    const held = this.#held ?? [];
    this.#held = null;
    for (const [waiting, given] of held) this.post(waiting, given);
    this.#unanswered = 0;
    this.#beat = setInterval(() => this.#listen(), BEAT);
    if (this.#worker) this.#watch(this.#worker);
  }

  /** A worker that ended without a word, as one that the browser ends for want of memory, gives its lock away. */
  #watch(worker: Worker): void {
    void navigator.locks?.request(this.#lock, () => {
      if (this.#worker === worker) this.die("its worker ended, perhaps for want of memory");
    });
  }

  /** End it. What waits for an answer fails. */
  stop(why: string): void {
    clearInterval(this.#beat);
    this.#worker?.terminate();
    this.#worker = null;
    this.#held = null;
    this.#latest = null;
    const failure: Failure = { code: "Unavailable", message: why, path: null, remedy: null, traceback: null };
    for (const { reject } of this.#pending.values()) reject(new KernelError(failure));
    this.#pending.clear();
  }

  die(detail: string): void {
    this.stop(`the kernel stopped: ${detail}`);
    this.#tell({ event: "kernel", state: "dead", detail });
  }

  #take(worker: Worker, lock: string): void {
    this.#worker = worker;
    this.#lock = lock;
    this.#held ??= [];
    worker.onmessage = ({ data }: MessageEvent<ToPage>) => {
      if (this.#worker === worker) this.#receive(data);
    };
    worker.onerror = (error) => this.die(error.message || "the worker could not be loaded");
    this.#tell({ event: "kernel", state: "loading", detail: "" });
  }

  #receive(message: ToPage): void {
    const silent = this.#unanswered > MISSED;
    this.#unanswered = 0;
    if ("pong" in message) {
      if (silent && this.#latest) this.#hear(this.#latest); // takes the warning back
    } else if ("event" in message) {
      if (message.event !== "kernel") this.#hear(message);
      else if (message.state === "dead") this.die(message.detail);
      else this.#tell(message);
    } else if ("id" in message) this.#answer(message);
    else this.#hear(message);
  }

  #answer(reply: Extract<ToPage, { id: number }>): void {
    const pending = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if ("failure" in reply) pending?.reject(new KernelError(reply.failure));
    else pending?.resolve(reply.result);
  }

  #tell(event: StateEvent): void {
    this.#latest = event;
    this.#hear(event);
  }

  /** One heartbeat: Python itself must answer. Silent while a cell runs is told as such; silent otherwise is dead. */
  #listen(): void {
    const latest = this.#latest;
    if (latest === null || latest.state === "loading") return;
    this.post({ ping: true });
    this.#unanswered += 1;
    if (latest.state !== "busy") {
      if (this.#unanswered > LOST) this.die("Python does not answer any more");
    } else if (this.#unanswered === MISSED + 1) this.#hear({ ...latest, detail: SILENT }); // not kept: it holds until the next answer
  }
}

const SILENT = "Python has not answered for 12 s: wait, stop it, or restart it";

const GONE: Failure = {
  code: "Unavailable",
  message: "the kernel is not running",
  path: null,
  remedy: "restart it",
  traceback: null,
};
