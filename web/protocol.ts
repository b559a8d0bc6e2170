/** The only vocabulary between the page and the kernel worker. Plain data both ways; no proxies.
 *  py/emerge_wasm/browser/protocol/ is its counterpart; tests/browser/test_protocol.py holds them together.
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
  kind: "bool" | "int" | "float" | "str" | "text" | "date" | "datetime" | "time" | "literal" | "fixed"; // "fixed" is shown, not edited
  text: string; // Python literal text of the value; for "str"/"text" the string itself
  form: string; // the key of what its annotation allows, "": anything
  type: string; // of its value; "": none is stored
  size: number; // characters of the whole text: `text` has only the first of a long one
  reason: string; // why a "fixed" one cannot be text
  spark: number[]; // the points of a small curve, of a series of numbers
}

/** What an annotation allows (py/emerge_wasm/bundles/form.py); `of` and the forms of fields are keys of further ones. */
export interface Form {
  kind: string; // any, leaf, choice, union, list, tuple, set, frozenset, deque, dict, record
  label: string; // the annotation
  of: string[];
  fixed: boolean; // a tuple with a form for each of its items
  choices: string[]; // texts of values
  name: string; // of a leaf's type, of a class
  fields: { name: string; form: string; default: string }[]; // `default` "": it must be given
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
  forms: Record<string, Form>;
  methods: Method[];
  source: string;
  runs: "anywhere" | "node" | "nowhere"; // where its bundle can run; "nowhere": no class came with it
  newer: string; // why its place cannot run it: Python is older there; "" if it can
  display: string; // the method by which it shows itself: "_repr_html_"; "": none
  lacking: string; // what of its class is missing or broken; "": nothing
  stale: string; // a copy answered, since its owner is away: it may have changed since then (ISO 8601, UTC); "": its owner did
}

export type StateFormat = "python" | "json";

export interface Version extends Pointer {
  author: string;
  operation: string;
  from: string; // what it was moved or copied from, or ""
}

export interface RunResult {
  text: string; // the result's repr, cut at 100,000 characters
  output: string; // what it printed
  milliseconds: number;
  pointer: Pointer | null; // the new version, when the run changed the state
  receipt: Receipt | null; // null: it ran in this tab, on an object of the cluster
}

/** What is kept of a run, so that its result can be explained and repeated. */
export interface Receipt {
  id: string;
  date: string; // ISO 8601, UTC
  node: string;
  principal: string;
  method: string;
  version: number; // that it ran on
  bundle: string;
  arguments: string; // SHA-256
  result: string; // SHA-256
  milliseconds: number;
  made: number; // the version that it made, 0: none
  acted_as?: string; // whose rights it had, where a superuser's run had only its owner's
  owners?: string[]; // who had to be allowed what it did, too
}

/** How a run over a directory ended. */
export interface Sweep {
  done: number;
  failed: number;
  total: number;
  milliseconds: number;
}

export interface ListPage {
  entries: Pointer[];
  cursor: string;
  missing: string[]; // nodes that are away, and whose part is left out
  away: Record<string, string>; // of an entry that is on such a node: its name, the node
  stale: string; // as of an ObjectView
}

/** A node of the cluster. `self`: it is the one that this page is connected to. */
export interface Member {
  node: string; // "" for an endpoint where none answers
  rpc: string;
  self: boolean;
  state: "here" | "unreachable" | "away" | "unjoined";
  volumes: string[];
  since: string; // ISO 8601, UTC: when it started, or was noticed to be away; "" if not known
  version: string;
  python: string;
  error: string; // why it is unjoined
}

/** A copy of a volume. `behind`: by so many commits (-1: not known), at `as_of` if it is away. */
export interface CopyView {
  node: string;
  away: boolean;
  behind: number;
  as_of: string; // ISO 8601, UTC
  same: boolean; // as its owner's
}
/** A subtree, the node that owns it, and the copies that others have; `notes` say in words what is amiss. */
export interface VolumeView {
  path: string;
  node: string;
  away: boolean;
  wanted: number; // of copies
  copies: CopyView[];
  notes: string[];
}

export interface SearchErrors {
  count: number;
  first: { path: string; error: string }[];
}
/** A row of a table: an entry, and the values of its fields as texts. `away`: the node that has it and is away. */
export interface TableRow {
  pointer: Pointer;
  cells: Record<string, string>;
  series: Record<string, number[]>; // the points of small curves
  away: string;
}
/** A class among the rows of a page, and its fields with their annotations. */
export interface TableClass {
  name: string;
  fields: Record<string, string>;
  enums: string[]; // fields that are members of enumerations
}
/** A value of a field, how many have it, and the expression that finds them; "": none can be written. */
export interface Facet {
  text: string;
  count: number;
  expression: string;
}
export interface FacetList {
  values: Facet[];
  distinct: number;
}
export interface TablePage {
  rows: TableRow[];
  classes: TableClass[];
  cursor: string;
  scanned: number;
  errors: SearchErrors;
  missing: string[]; // nodes that are away, and whose part is left out
  stale: string; // as of an ObjectView
  milliseconds: number;
}
/** What a table shows: the entries of a directory (`inside`), or what an expression over `o` finds in it or below it. */
export interface TableQuestion {
  where: Where;
  path: string;
  inside: boolean;
  text: string;
  order: string; // a field, "" for the listing's own order
  descending: boolean;
}
export interface Plan {
  text: string;
  scans: number;
  of: number;
  code: boolean;
  suggestion: string;
}

/** A node that keeps blocks of a file, or parts of them. */
export interface BlockHolderView {
  node: string;
  pieces: number;
  away: boolean;
}

/** One change of what is at a path. `fields` are texts, `args` as in a call; version 0: the newest, or what was removed. */
export type Step =
  | { change: "remove" | "mkdir" | "purge"; path: string }
  | { change: "move" | "copy"; path: string; target: string }
  | { change: "restore"; path: string; version: number }
  | { change: "set"; path: string; version: number; fields: Record<string, string> }
  | { change: "chmod"; path: string; perms: string }
  | { change: "chown"; path: string; owner: string; group: string } // owner "": who it is; group "": none
  | { change: "run"; path: string; method: string; args: string }
  /** To the other filesystem; "uncarry" takes it back. */
  | { change: "carry" | "uncarry"; path: string; target: string; to: Where; move: boolean }
  /** A new object of a stored class, or a plain one (`bundle` ""), of the fields that are given. */
  | { change: "create"; path: string; class_name: string; bundle: string; type: string; fields: Record<string, string>; kinds: Record<string, Field["kind"]> };
export interface ChangeReport {
  done: number;
  failed: number;
  failures: { path: string; failure: Failure }[]; // the first ones
  undo: Step[];
  pointer: Pointer | null; // of what was changed last; null: it is gone
}

export interface Rights {
  principal: string;
  groups: string[];
  superuser: boolean;
  may: boolean;
  why: string;
  pointer: Pointer;
}
/** What would become of the entries below a directory: `rows` are the first ones, `refused` belong to others. */
export interface RightsBelow {
  count: number;
  changes: number;
  refused: number;
  rows: { path: string; before: string; after: string; may: boolean }[];
  steps: Step[];
  missing: string[];
}
/** The index over a field ("": none), how far it is built, and whether the user may make one. */
export interface FieldIndex {
  state: "" | "building" | "ready" | "failed";
  done: number;
  total: number;
  error: string;
  may: boolean;
}

/** What was removed, by whom (its pointer says when), and how many entries went with it. */
export interface RemovedRow {
  pointer: Pointer;
  author: string;
  with_it: number;
}
/** An entry of a moment, and the version that it has now; 0: it is not in the directory any more. */
export interface EarlierRow {
  pointer: Pointer;
  now: number;
  away: string;
}
/** A class of stored objects; `here`: how many are in the directory that was asked. */
export interface ClassChoice {
  class_name: string;
  bundle: string;
  type: string;
  here: number;
  count: number;
}
/** What a new object has where nobody says. `required` fields must be filled in; `made`: by the class's own code, its text. */
export interface Blank {
  doc: string;
  fields: Field[];
  forms: Record<string, Form>;
  required: string[];
  made: Record<string, string>;
}
export type ExportFormat = "json" | "jsonl" | "csv" | "emerge";
/** A column of a file, the field that it becomes ("": none), and the kind that its cells are read as. */
export interface ColumnPlan {
  column: string;
  field: string;
  kind: string;
}
/** A file that is given for this run, to be loaded below the directory `path`; "" is guessed. */
export interface SheetQuestion {
  where: Where;
  path: string;
  run: number;
  size: number;
  format: ExportFormat | "";
  encoding: string;
  delimiter: string;
  header: boolean;
}
export interface SheetPreview {
  format: ExportFormat;
  encoding: string;
  delimiter: string;
  columns: ColumnPlan[];
  kinds: string[];
  rows: string[][];
  count: number;
  odd: Record<string, OddCells>; // by columns
}
/** The few cells of a column that are not of the kind of all others: how many, and where the first is. */
export interface OddCells {
  kind: string;
  count: number;
  at: string;
  text: string;
}
/** `check`: nothing is stored. `numbered`: rows without a name get their number. */
export interface LoadQuestion extends SheetQuestion {
  columns: ColumnPlan[];
  class_name: string;
  bundle: string;
  type: string;
  numbered: boolean;
  taken: "replace" | "keep" | "both";
  check: boolean;
}
export interface LoadReport {
  made: number;
  replaced: number;
  kept: number;
  refused: number;
  refusals: { at: string; message: string }[]; // the first ones
  undo: Step[];
}
/** What a table shows, or (`paths`) what of it is marked. */
export interface ExportQuestion extends TableQuestion {
  paths: string[];
  format: ExportFormat;
  run: number;
}

export interface PagesQuestion extends TableQuestion {
  limit: number;
}
export interface RowsQuestion extends PagesQuestion {
  cursor: string;
  fields: string[]; // beyond the first ones, those that rows are to have
}
export interface FacetQuestion extends TableQuestion {
  field: string;
}

/** The blocks of a file: how many are whole, can be made whole, are lost; the first of those that lack something. */
export interface FileBlocks {
  root: string;
  layout: string; // "raid6 4+2"
  here: number;
  repairable: number;
  lost: number;
  repaired: number; // of those that are here: made again
  amiss: { offset: number; size: number; state: "repairable" | "lost" }[];
  holders: BlockHolderView[]; // none: one node has all
}

/** A field that differs between two versions; null: that one has no such field. */
export interface Difference {
  field: string;
  before: string | null;
  after: string | null;
}

/** Code that this browser has not run before is about to. */
export interface Question {
  id: number;
  class_name: string;
  bundle: string;
  /** What to remember: a bundle's hash, with "+" before it when it may run in the tab itself. */
  keys: string[];
  owner: string;
  /** Who stands for the class, as the place says. */
  authors: string[];
  path: string;
  where: Where;
  /** In this tab, or closed in, in a worker that holds no token. */
  place: "tab" | "worker";
  source: string;
}

/** A value's representations and what describes them, both by MIME type. */
export interface ShownValue {
  data: Record<string, unknown>;
  metadata: Record<string, unknown>;
}

/** What could be written, or what a name stands for, where the cursor is. */
export interface CompletionItem {
  text: string;
  kind: "function" | "class" | "module" | "property" | "value" | "keyword" | "parameter" | "path" | "directory" | "key";
  detail: string;
}
export interface Described {
  name: string;
  parameters: string[] | null; // null: it cannot be called
  active: number; // which of them is being written; -1: none
  kind: string;
  doc: string;
}
export interface AssistView {
  typed: string; // what an item takes the place of
  items: CompletionItem[];
  whole: boolean; // there are no more than these
  about: Described | null;
}
export type AssistAsk = "complete" | "name" | "call";

export interface CellResult {
  text: string | null; // the last expression's repr, or null
  value: ShownValue | null;
  milliseconds: number;
  live: Trace | null; // what it read, if it is to run again when that changes
}

/** What a run read and wrote, and the revisions that it made. */
export interface Trace {
  reads: { where: Where; path: string }[];
  writes: { where: Where; path: string }[];
  made: string[];
}

/** A save that came too late: both states, and what is there now. */
export interface SaveConflict {
  theirs: Field[];
  mine: Field[];
  pointer: Pointer;
}

/** A cell of a notebook (py/emerge_wasm/notebook.py); its outputs are as nbformat has them. */
export interface NotebookCell {
  id: string;
  kind: "code" | "markdown" | "raw";
  name: string;
  source: string;
  outputs: Record<string, unknown>[];
  count: number; // of its last run; 0: none
  folded: boolean;
  metadata: Record<string, unknown>; // with attachments, what an .ipynb file had beside
  attachments: Record<string, unknown>;
}
export interface NotebookView {
  pointer: Pointer;
  cells: NotebookCell[];
  requirements: string[];
  /** Whether this user may change it. */
  may: boolean;
}

/** kind -> [arguments, result] */
export interface Calls {
  list: [{ where: Where; path: string; cursor: string; limit: number }, ListPage];
  open: [{ where: Where; path: string; version: number }, ObjectView];
  save: [
    { where: Where; path: string; version: number; changes: Record<string, string> },
    { pointer: Pointer | null; conflict: SaveConflict | null },
  ];
  /** Put the file that the page passed for this run. `upload` names it as it is now: what an earlier run with that name
   *  has sent to the path is not sent again. `progress` events tell how many bytes are done. */
  upload: [{ where: Where; path: string; raid: number; size: number; upload: string; run: number }, Pointer];
  /** Pass a file to the page, each block verified. */
  download: [{ where: Where; path: string; version: number; run: number }, { name: string; size: number }];
  /** `data` is in base64; `size` that of the whole file. */
  piece: [{ where: Where; path: string; version: number; begin: number; size: number }, { size: number; data: string }];
  /** `verify`: each is read where it is. */
  blocks: [{ where: Where; path: string; version: number; verify: boolean; run: number }, FileBlocks];
  /** Each is read, and what is lost or damaged is made again. */
  repair: [{ where: Where; path: string; version: number; run: number }, FileBlocks];
  /** `place`: "here" in this browser, "there" where the object lives. `args` is Python argument text: `2, rate=0.1`.
   *  `run`, the page's own number for it, comes back with what it prints, and ends it in `cancel`. */
  run: [{ where: Where; path: string; method: string; args: string; place: "here" | "there"; run: number; as_me?: boolean }, RunResult];
  /** The same of every object in a directory, where they live. */
  runall: [{ where: Where; path: string; method: string; args: string; run: number; as_me?: boolean }, Sweep];
  cancel: [{ run: number }, null];
  /** Tell which nodes the cluster has, as `members` events, until it is cancelled. */
  watchnodes: [{ run: number }, null];
  /** What the nodes have of each volume. */
  copies: [{ where: Where }, { volumes: VolumeView[] }];
  receipts: [{ where: Where; path: string; before: string }, { receipts: Receipt[] }];
  rows: [RowsQuestion, TablePage];
  /** How many rows, and the cursor of each page; none where only the page before tells it. */
  pages: [PagesQuestion, { count: number; cursors: string[]; scanned: number; errors: SearchErrors }];
  /** The most frequent values of a field, with their counts. */
  facets: [FacetQuestion, FacetList];
  /** The index over a field; with `make` it is made. */
  index: [{ where: Where; path: string; field: string; make: boolean }, FieldIndex];
  explain: [{ where: Where; path: string; text: string; order: string }, Plan];
  graphql: [{ where: Where; path: string; query: string; variables: string }, { text: string; failed: boolean; milliseconds: number }];
  /** The GraphQL schema of the objects at or below a path: what introspection gives, as JSON. */
  schema: [{ where: Where; path: string }, { text: string }];
  notebook: [{ where: Where; path: string; version: number }, NotebookView];
  /** Store its cells; `view` is what was stored, where others had changed it since that version. */
  keepnotebook: [
    { where: Where; path: string; version: number; cells: NotebookCell[]; requirements: string[] },
    { pointer: Pointer; view: NotebookView | null },
  ];
  /** In the directory `path`, under the first name that is free. */
  makenotebook: [{ where: Where; path: string; name: string; cells: NotebookCell[]; requirements: string[] }, Pointer];
  readipynb: [{ where: Where; path: string; name: string; text: string }, Pointer];
  writeipynb: [{ where: Where; path: string; version: number }, { text: string }];
  /** What is at a path (of an object also `/registry/UUID`); null: nothing. */
  lookup: [{ where: Where; path: string }, { pointer: Pointer | null }];
  /** The objects that refer to this one. */
  referrers: [{ where: Where; path: string; cursor: string; limit: number }, { entries: Pointer[]; cursor: string }];
  /** The whole text of a field; `reason`: why it cannot be edited. */
  fieldtext: [{ where: Where; path: string; version: number; field: string }, { text: string; reason: string }];
  /** A piece of a field's bytes in base64; `size` that of all. */
  fieldpiece: [{ where: Where; path: string; version: number; field: string; begin: number; size: number }, { size: number; data: string }];
  /** The state as one text, with `changes` (texts of fields) in it; `left`: fields that cannot be text, and why. */
  writestate: [{ where: Where; path: string; version: number; changes: Record<string, string>; format: StateFormat }, { text: string; left: Record<string, string> }];
  /** The texts of the fields that such a text has otherwise than that version. */
  readstate: [{ where: Where; path: string; version: number; format: StateFormat; text: string }, { changes: Record<string, string> }];
  /** How an object shows itself, by a method of its class, which runs as a method run here does. */
  show: [{ where: Where; path: string; version: number; method: string; run: number }, ShownValue];
  /** Who the user is there, and whether they may change the rights; `why` not. */
  rights: [{ where: Where; path: string }, Rights];
  /** What a change of the rights of all that is below would do. */
  rightsbelow: [{ where: Where; path: string; perms: string; owner: string; group: string | null }, RightsBelow];
  versions: [{ where: Where; path: string; before: number }, { versions: Version[]; causes: string[] }];
  diff: [{ where: Where; path: string; before: number; after: number }, { fields: Difference[] }];
  /** Make changes one after the other; what undoes those that were made comes back. */
  change: [{ where: Where; steps: Step[]; run: number }, ChangeReport];
  /** What was removed at or below a path and is not there now; `cursor`: there may be more. */
  removed: [{ where: Where; path: string; cursor: string }, { rows: RemovedRow[]; cursor: string; missing: string[] }];
  /** What a directory held at a moment. */
  earlier: [{ where: Where; path: string; cursor: string; as_of: string }, { rows: EarlierRow[]; cursor: string; missing: string[] }];
  /** The classes of stored objects, those of a directory first; `more`: not all were looked at. */
  /** `inside`: those of the directory alone, which takes no time. */
  classes: [{ where: Where; path: string; inside: boolean }, { classes: ClassChoice[]; more: boolean }];
  blank: [{ where: Where; bundle: string }, Blank];
  readsheet: [SheetQuestion, SheetPreview];
  loadsheet: [LoadQuestion, LoadReport];
  /** The file is passed to the page. `lost` tells of fields what the format does not tell exactly. */
  exportrows: [ExportQuestion, { name: string; count: number; lost: Record<string, string> }];
  /** Run a cell; its output arrives as events that carry `cell`. Versions that it makes keep `cause`, if it is not "".
   *  `requirements` are its notebook's: packages that it imports are loaded as these lines say. */
  cell: [{ cell: number; code: string; cause: string; requirements: string[] }, CellResult];
  /** Whether the code that a question is about may run. */
  answer: [{ question: number; run: boolean }, null];
  /** Which filesystem `fs` is in cells. */
  select: [{ where: Where }, null];
  /** Make a live value again; what it read. */
  relive: [{ live: number }, Trace];
  /** What was typed into a cell's field; null: there is no more input. */
  input: [{ input: number; text: string | null }, null];
  /** What could stand between these texts, what the name is that the first ends with, or what the call takes there. */
  assist: [{ before: string; after: string; ask: AssistAsk }, AssistView];
  /** The same by the text alone; with a path by the classes of what is below it, for a search. */
  sketch: [{ before: string; after: string; ask: AssistAsk; where: Where; path: string }, AssistView];
}
export type Kind = keyof Calls;
/** Requests that change something, each once however often it is asked for as one deed. */
export type DeedKind = "save" | "change" | "graphql" | "index" | "loadsheet" | "keepnotebook" | "makenotebook" | "readipynb" | "repair" | "run" | "runall" | "upload";

/** What was made under an id is not made again, but answered. `again`: it was asked for before, and what became of that is
 *  not known. */
export interface Deed {
  id: string;
  again: boolean;
}

/** What Python starts from, besides scripts. A page's second kernel is given that of the first. */
export interface Parts {
  module: WebAssembly.Module;
  /** The packages of this Pyodide, as JSON. */
  lock: string;
  snapshot: ArrayBuffer | null;
  /** Where there is no snapshot. */
  archives: Archives | null;
}
/** What Python imports from. */
export interface Archives {
  stdlib: ArrayBuffer;
  libraries: ArrayBuffer;
}

/** Start Python, before it is known which kernel it will be. What the parts lack is fetched from the base. */
export interface Boot {
  boot: string;
  /** The name of a lock that the worker holds for as long as it lives. */
  lock: string;
  parts: Partial<Parts>;
}
/** Python is there. */
export interface Booted {
  booted: Parts;
}

/** Be the page's kernel. */
export interface Start {
  start: true;
  /** ws(s)://…/ws of the relay this page came from. */
  relay: string;
  /** Where pyodide/, its wheels and the snapshot are served. */
  base: string;
  /** A Uint8Array over shared memory to interrupt Python with (write 2), when the page is isolated. */
  interrupt: Uint8Array | null;
  /** The script of a guest worker, in which code of others is closed in. */
  guest: string;
  /** What the user has let run before: keys of Questions. */
  allowed: string[];
  /** Cells have a kernel of their own, which can block for this one (`blocks`) where memory is shared. */
  apart?: boolean;
  blocks?: boolean;
}

/** The line between the two kernels of a tab. */
export interface Peer {
  port: MessagePort;
  /** Shared memory for what goes to the cells (ring.ts), and the byte to interrupt them with, when the page is isolated. */
  ring: SharedArrayBuffer | null;
  interrupt: Uint8Array | null;
}

/** Be the kernel of cells. */
export interface StartCells {
  start: true;
  peer: Peer;
}

/** Tell the page's kernel of a new cells' kernel; null: it is gone. */
export interface Meet {
  meet: Peer | null;
}

/** What the worker starts Python's side with (py/emerge_wasm/browser/kernel.py). */
export interface Options {
  relay: string;
  /** Whether Python can wait for a result (JSPI). */
  sync: boolean;
  /** Whether a running loop can be stopped. */
  interrupt: boolean;
  /** The depth of Python's calls. */
  recursion: number;
  /** Whether Python came out of a memory snapshot. */
  restored: boolean;
  allowed: string[];
  /** Whether cells have a kernel of their own. */
  apart: boolean;
}

/** What the kernel of cells starts with (py/emerge_wasm/browser/console/worker.py). */
export interface ShellOptions {
  recursion: number;
  restored: boolean;
  /** Whether it can block for the page's kernel, in shared memory. */
  shared: boolean;
}

/** The kernel wants a line to a closed-in document for guest workers; the page answers with a Line. */
export interface WantLine {
  line: true;
}
/** `line` is null, and `detail` says why, when there can be none now. */
export interface Line {
  line: MessagePort | null;
  detail: string;
}

/** A file on its way: from the page before its `upload`, to the page before the answer to its `download`. */
export interface Passed {
  run: number;
  file: Blob;
}

export type Request = { [K in Kind]: { id: number; kind: K; args: Calls[K][0]; deed?: Deed } }[Kind];
export type Reply = { id: number; result: unknown } | { id: number; failure: Failure };

export type Connection =
  | { state: "connecting" }
  /** `cluster` tells it from others. */
  | { state: "connected"; node: string; durability: string; principal: string; cluster: string }
  /** `refused`: this browser is not signed in. */
  | { state: "offline"; reason: string; refused: boolean };

export type Event =
  | { event: "kernel"; state: "loading" | "ready" | "busy" | "idle" | "dead"; detail: string }
  | { event: "features"; sync: boolean; interrupt: boolean; storage: "indexeddb" | "memory" }
  | { event: "connection"; connection: Connection }
  | { event: "output"; cell: number; stream: "stdout" | "stderr"; text: string }
  /** What a cell displayed; `update`: it replaces what was displayed with this id. */
  | { event: "display"; cell: number; id: string; update: boolean; data: Record<string, unknown>; metadata: Record<string, unknown> }
  /** The script that draws the charts of a package, from that package; told before its first chart. */
  | { event: "script"; name: string; text: string }
  /** A cell's outputs are cleared, or (`wait`) will be when the next one comes. */
  | { event: "clear"; cell: number; wait: boolean }
  /** The packages that a cell has used, each as a requirement line with the hash of its file. */
  | { event: "packages"; cell: number; packages: string[] }
  | { event: "failure"; cell: number; failure: Failure }
  /** What a run printed, how far a directory's is, and what came of one of its objects. */
  | { event: "printed"; run: number; text: string }
  | { event: "progress"; run: number; done: number; failed: number; total: number }
  | { event: "ran"; run: number; path: string; text: string | null; failure: Failure | null }
  | { event: "members"; run: number; members: Member[] }
  /** A cell asks for input, or (not `open`) does not any more. */
  | { event: "input"; cell: number; input: number; prompt: string; secret: boolean; open: boolean }
  /** A cell shows a value that is made again when what it read changes. */
  | { event: "live"; cell: number; live: number; trace: Trace }
  | { event: "question"; question: Question }
  /** Nobody waits for the answer any more. */
  | { event: "answered"; question: number }
  /** Code that was written in this tab: it needs no question. */
  | { event: "known"; bundles: string[] }
  /** Something changed at or below this path; the page lists it again if it shows it. */
  | { event: "change"; where: Where; operation: string; path: string; pointer: Pointer | null; author: string };

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
export type ToWorker = Boot | Start | StartCells | Meet | Request | Ping | Interrupt | Line | Passed;
export type ToPage = Booted | Reply | Event | Pong | WantLine | Passed;
