/** The only vocabulary between the page and the kernel worker. Plain data both ways; no proxies.
 *
 * The page sends `Request`s; the worker answers each with one `Reply` of the same id, and sends `Event`s whenever
 * something happens. Names are those of the operation table (py/emerge_wasm/operations.py). Field values travel as
 * Python literal text (`3.0`, `'abc'`, `[1, 2]`), parsed by the kernel without running code.
 */

export type Where = "local" | "cluster";

export interface Pointer {
  uuid: string;
  name: string;
  path: string; // the directory
  type: string; // "directory", "file", "object"
  class_name: string;
  bundle: string;
  perms: string;
  owner: string;
  group: string;
  size: number; // bytes
  version: number;
  revision: string;
  date: string; // ISO 8601, UTC
  node: string;
}

/** What went wrong, as every layer of Emerge says it. */
export interface Failure {
  code: string; // NotFound, Conflict, Invalid, Unavailable, ExecutionFailed, LimitExceeded, CannotShip, PermissionDenied, Error
  message: string;
  path: string | null;
  remedy: string | null;
  traceback: string | null;
}

export interface Field {
  name: string;
  annotation: string; // as written in the class; "" for an attribute that is not a field
  kind: "bool" | "int" | "float" | "str" | "text" | "date" | "datetime" | "literal" | "fixed"; // "fixed" is shown, not edited
  text: string; // Python literal text of the value; for "str"/"text" the string itself
  doc: string;
}

export interface Method {
  name: string;
  signature: string; // "(self, rate: float = 0.2) -> float"
  doc: string;
  kind: string; // "method", "property", "classmethod", "staticmethod"
}

/** Everything the object panel shows. Made without running shipped code. */
export interface ObjectView {
  where: Where;
  pointer: Pointer;
  doc: string;
  fields: Field[];
  methods: Method[];
  source: string;
  runs: "anywhere" | "node" | "nowhere"; // where its bundle can run; "nowhere": no class came with it
}

export interface Version extends Pointer {
  author: string;
  operation: string;
}

export interface RunResult {
  text: string; // the result's repr, cut at 100,000 characters
  output: string; // what it printed
  milliseconds: number;
  pointer: Pointer | null; // the new version, when the run changed the state
}

export interface CellResult {
  text: string | null; // the last expression's repr, or null
  milliseconds: number;
}

/** A save that came too late: both states, and what is there now. */
export interface SaveConflict {
  theirs: Field[];
  mine: Field[];
  pointer: Pointer;
}

/** kind -> [arguments, result] */
export interface Calls {
  list: [{ where: Where; path: string; cursor: string; limit: number }, { entries: Pointer[]; cursor: string }];
  open: [{ where: Where; path: string; version: number }, ObjectView];
  save: [
    { where: Where; path: string; version: number; changes: Record<string, string> },
    { pointer: Pointer | null; conflict: SaveConflict | null },
  ];
  /** `place`: "here" in this tab, "there" where the object lives. `args` is Python argument text: `2, rate=0.1`. */
  run: [{ where: Where; path: string; method: string; args: string; place: "here" | "there" }, RunResult];
  versions: [{ where: Where; path: string; before: number }, { versions: Version[] }];
  mkdir: [{ where: Where; path: string }, Pointer];
  rm: [{ where: Where; path: string; recursive: boolean }, { removed: number }];
  mv: [{ where: Where; path: string; target: string }, Pointer];
  cp: [{ where: Where; path: string; target: string }, Pointer];
  /** Run a console cell; its output arrives as events that carry `cell`. */
  cell: [{ cell: number; code: string }, CellResult];
  /** Which filesystem `fs` is in cells. */
  select: [{ where: Where }, null];
}
export type Kind = keyof Calls;

export interface Start {
  start: true;
  /** ws(s)://…/ws of the relay this page came from. */
  relay: string;
  /** Where pyodide/, its wheels and the snapshot are served. */
  base: string;
  /** A Uint8Array over shared memory to interrupt Python with (write 2), when the page is isolated. */
  interrupt: Uint8Array | null;
}

export type Request = { [K in Kind]: { id: number; kind: K; args: Calls[K][0] } }[Kind];
export type Reply = { id: number; result: unknown } | { id: number; failure: Failure };

export type Connection =
  | { state: "connecting" }
  | { state: "connected"; node: string; durability: string }
  | { state: "offline"; reason: string };

export type Event =
  | { event: "kernel"; state: "loading" | "ready" | "busy" | "idle" | "dead"; detail: string }
  | { event: "features"; sync: boolean; interrupt: boolean; storage: "indexeddb" | "memory"; persisted: boolean }
  | { event: "connection"; connection: Connection }
  | { event: "output"; cell: number; stream: "stdout" | "stderr"; text: string }
  | { event: "failure"; cell: number; failure: Failure }
  /** Something changed at or below this path; the page lists it again if it shows it. */
  | { event: "change"; where: Where; operation: string; path: string; pointer: Pointer | null };

/** A heartbeat: Python itself answers it, so silence means that it is busy or gone. */
export interface Ping {
  ping: true;
}
export interface Pong {
  pong: true;
}

/** Stop the running cell where it waits; a loop that does not wait is stopped by `Start.interrupt`. */
export interface Interrupt {
  interrupt: true;
}

/** All that goes to the worker, and all that comes back. */
export type ToWorker = Start | Request | Ping | Interrupt;
export type ToPage = Reply | Event | Pong;
