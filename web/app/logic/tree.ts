/** A lazily listed tree of directories: what is known of it, and the rows that show it. No framework, no I/O. */

import type { Event, Failure, ListPage, Pointer } from "../../protocol";
import { earlier } from "./away";
import { childPath, fullPath, isWithin, parentPath, splitPath } from "./path";

export type Change = Omit<Extract<Event, { event: "change" }>, "author">;

/** One known entry. `children` is null until it was listed; `cursor` is "" when all of them are here. */
export interface Branch {
  path: string;
  pointer: Pointer | null; // null: the root
  directory: boolean;
  expanded: boolean;
  children: Branch[] | null;
  cursor: string;
  /** What was listed begins after this cursor; "": with the first entry. */
  start: string;
  failure: Failure | null;
  /** The node that it is on and that is away; "": none. */
  away: string;
  /** Nodes that are away, and whose part of the entries is left out. */
  missing: string[];
  /** A moment since which the entries may have changed, as a copy gave them; "": their owner did. */
  stale: string;
}

/** What a listing lacks, and how old it is. */
export type Lack = Pick<ListPage, "missing" | "away"> & Partial<Pick<ListPage, "stale">>;
const NOTHING: Lack = { missing: [], away: {} };

interface RowBase {
  key: string;
  level: number;
}
export interface EntryRow extends RowBase {
  kind: "entry";
  branch: Branch;
  path: string;
  name: string;
  expanded: boolean;
  position: number;
  /** Entries at this level, -1 while not all are known. */
  size: number;
}
/** The place of entries that were not listed yet: drawing it is the sign to list on. */
export interface MoreRow extends RowBase {
  kind: "more";
  directory: string;
  failure: Failure | null;
  /** They come before those that are here. */
  back: boolean;
}
export interface EmptyRow extends RowBase {
  kind: "empty";
  directory: string;
}
export type Row = EntryRow | MoreRow | EmptyRow;

export class Tree {
  readonly root: Branch = makeBranch("/", null, true);
  #index = new Map<string, Branch>([["/", this.root]]);
  #reading = 0;
  #meanwhile: Change[] = [];

  constructor() {
    this.root.expanded = true;
  }

  find(path: string): Branch | undefined {
    return this.#index.get(path);
  }

  /** Directories whose entries were listed, the outer ones first. */
  listed(): Branch[] {
    return [...this.#index.values()].filter((branch) => branch.children !== null);
  }

  /** Directories whose listing lacks what is on nodes that are away. */
  lacking(): string[] {
    return this.listed().filter((branch) => branch.missing.length > 0 || branch.stale !== "").map((branch) => branch.path);
  }

  /** Add the next page of a directory. */
  append(directory: string, entries: Pointer[], cursor: string, lack = NOTHING): void {
    const branch = this.find(directory);
    if (branch === undefined) return;
    const known = branch.children ?? [];
    const seen = new Set(known.map((child) => child.path));
    const fresh = entries.map((pointer) => this.#adopt(pointer)).filter((child) => !seen.has(child.path));
    for (const child of fresh) mark(child, lack);
    branch.children = [...known, ...fresh];
    branch.cursor = cursor;
    branch.failure = null;
    if (!lack.stale) branch.away = ""; // what was last seen of it tells nothing of its node
    branch.missing = [...new Set([...branch.missing, ...lack.missing])];
    branch.stale = earlier(branch.stale, lack.stale ?? "");
  }

  /** Put what a directory holds now in place of what it held: entries that stayed keep their state. It returns those
   *  that must be listed again, because their node went away or came back. */
  replace(directory: string, entries: Pointer[], cursor: string, lack = NOTHING): string[] {
    const branch = this.find(directory);
    if (branch === undefined) return [];
    const stayed = new Set(entries.map(fullPath));
    for (const child of branch.children ?? []) if (!stayed.has(child.path)) this.#forget(child);
    const children = (branch.children = entries.map((pointer) => this.#adopt(pointer)));
    const turned = children.filter((child) => mark(child, lack));
    branch.cursor = cursor;
    branch.failure = null;
    if (!lack.stale) branch.away = ""; // what was last seen of it tells nothing of its node
    branch.missing = lack.missing;
    branch.stale = lack.stale ?? "";
    return turned.filter((child) => child.children !== null).map((child) => child.path);
  }

  /** Show only what a directory holds after a cursor: a part of it far from the first entry. */
  jump(directory: string, start: string, entries: Pointer[], cursor: string, lack = NOTHING): string[] {
    const turned = this.replace(directory, entries, cursor, lack);
    const branch = this.find(directory);
    if (branch !== undefined) branch.start = start;
    return turned;
  }

  /** Add entries before the first that is here; those from `start` on. */
  prepend(directory: string, start: string, entries: Pointer[], lack = NOTHING): void {
    const branch = this.find(directory);
    if (branch === undefined || branch.children === null) return;
    const seen = new Set(branch.children.map((child) => child.path));
    const fresh = entries.map((pointer) => this.#adopt(pointer)).filter((child) => !seen.has(child.path));
    for (const child of fresh) mark(child, lack);
    branch.children = [...fresh, ...branch.children];
    branch.start = start;
    branch.missing = [...new Set([...branch.missing, ...lack.missing])];
    branch.stale = earlier(branch.stale, lack.stale ?? "");
  }

  /** Forget everything that was listed (the filesystem is another one now). */
  clear(): void {
    for (const child of this.root.children ?? []) this.#forget(child);
    this.root.children = null;
    this.root.cursor = this.root.start = "";
    this.root.missing = [];
    this.root.stale = "";
  }

  /** Begin to read a list. Call the returned function when the list is taken over: it may be older than what changed
   *  meanwhile, so that is applied again. It returns the directories that must be listed again. */
  read(): () => string[] {
    const start = this.#meanwhile.length;
    this.#reading += 1;
    return () => {
      const missed = this.#meanwhile.slice(start);
      this.#reading -= 1;
      if (this.#reading === 0) this.#meanwhile = [];
      return [...new Set(missed.flatMap((change) => this.#take(change)))];
    };
  }

  /** Take over a change. The directories that must be listed again for it, which may be none. */
  apply(change: Change): string[] {
    if (this.#reading > 0) this.#meanwhile.push(change);
    return this.#take(change);
  }

  #take(change: Change): string[] {
    if (change.operation === "many") return this.#below(change.path);
    const known = this.find(change.path);
    if (known !== undefined && change.operation !== "rm" && change.operation !== "mv" && change.pointer !== null) {
      if (fullPath(change.pointer) === change.path && isDirectory(change.pointer) === known.directory) {
        if (!isOlder(change.pointer, known.pointer)) known.pointer = change.pointer;
        return [];
      }
    }
    const dirty = [this.#nearestListed(change.path)];
    if (change.operation === "mv" && change.pointer !== null) dirty.push(...this.#holders(change.pointer.uuid));
    return [...new Set(dirty.filter((path) => path !== null))];
  }

  rows(): Row[] {
    const rows: Row[] = [];
    push(rows, this.root, 1, 1, 1);
    return rows;
  }

  #adopt(pointer: Pointer): Branch {
    const path = fullPath(pointer);
    const known = this.#index.get(path);
    if (known !== undefined && known.directory === isDirectory(pointer)) {
      known.pointer = pointer;
      return known;
    }
    if (known !== undefined) this.#forget(known);
    const branch = makeBranch(path, pointer, isDirectory(pointer));
    this.#index.set(path, branch);
    return branch;
  }

  #forget(branch: Branch): void {
    for (const child of branch.children ?? []) this.#forget(child);
    this.#index.delete(branch.path);
  }

  /** The innermost listed directory on the way to a path, when the change shows in it. */
  #nearestListed(path: string): string | null {
    let shown = path;
    for (let depth = splitPath(path).length; depth > 0; depth -= 1) {
      const parent = parentPath(shown);
      const branch = this.find(parent);
      if (branch !== undefined && branch.children !== null) {
        // An outer directory needs listing only if it does not show the next one on the way yet.
        return shown === path || !this.#index.has(shown) ? parent : null;
      }
      shown = parent;
    }
    return null;
  }

  /** Where a change anywhere below a directory may show: everything listed there, or the nearest listed above. */
  #below(directory: string): string[] {
    const inside = this.listed().map((branch) => branch.path).filter((path) => isWithin(path, directory));
    const above = directory === "/" ? null : this.#nearestListed(directory);
    return above === null ? inside : [above, ...inside];
  }

  #holders(uuid: string): string[] {
    return this.listed()
      .filter((branch) => branch.children?.some((child) => child.pointer?.uuid === uuid))
      .map((branch) => branch.path);
  }
}

/** Whether a pointer is to an older version of what another one points to. */
function isOlder(pointer: Pointer, than: Pointer | null): boolean {
  return than !== null && pointer.uuid === than.uuid && pointer.version < than.version;
}

/** Note which node that is away an entry is on; whether that is new. One that is back may be listed. */
function mark(branch: Branch, { away }: Lack): boolean {
  const before = branch.away;
  branch.away = away[branch.pointer?.name ?? ""] ?? "";
  if (before !== "" && branch.away === "") branch.failure = null;
  return branch.away !== before;
}

export function isDirectory(pointer: Pointer): boolean {
  return pointer.type === "directory";
}

function makeBranch(path: string, pointer: Pointer | null, directory: boolean): Branch {
  return { path, pointer, directory, expanded: false, children: null, cursor: "", start: "", failure: null, away: "", missing: [], stale: "" };
}

function push(rows: Row[], branch: Branch, level: number, position: number, size: number): void {
  const { path, expanded } = branch;
  const name = branch.pointer?.name ?? "/";
  rows.push({ kind: "entry", key: path, branch, path, name, level, expanded, position, size });
  if (!branch.directory || !expanded) return;
  const inner = level + 1;
  const children = branch.children;
  if (children === null || branch.failure !== null) {
    rows.push({ kind: "more", key: `${path}\n`, directory: path, level: inner, failure: branch.failure, back: false });
    if (children === null) return;
  }
  const count = branch.cursor === "" && branch.start === "" ? children.length : -1;
  if (branch.start !== "") rows.push({ kind: "more", key: `${path}\n\n`, directory: path, level: inner, failure: null, back: true });
  children.forEach((child, index) => push(rows, child, inner, index + 1, count));
  if (branch.failure !== null) return;
  if (children.length === 0) rows.push({ kind: "empty", key: `${path}\n`, directory: path, level: inner });
  else if (branch.cursor !== "") rows.push({ kind: "more", key: `${path}\n`, directory: path, level: inner, failure: null, back: false });
}

/** By how many rows the list must be scrolled so that what is in view stays there, the rows from `first` to `last`.
 *  What comes in place of a sign to list on comes above the entries that are below it. */
export function shiftOf(before: Row[], after: Row[], first: number, last: number): number {
  const seen = before.slice(first, last + 1).map((row, at) => ({ row, at: first + at }));
  const back = seen.findLastIndex(({ row }) => row.kind === "more" && row.back);
  const places = new Map(after.map((row, at) => [row.key, at]));
  for (const { row, at } of [...seen.slice(back + 1), ...seen.slice(0, back + 1)]) {
    const place = row.kind === "entry" ? places.get(row.key) : undefined;
    if (place !== undefined) return place - at;
  }
  return 0;
}

/** Whether the rest of a listing waits until it is asked for: what the keyboard is at is drawn below its sign, of the
 *  rows from `first` to `last`, and would be pushed out of view. */
export function waits(row: Row | undefined, index: number, focus: number, first: number, last: number): boolean {
  return row?.kind === "more" && !row.back && index < focus && first <= focus && focus <= last;
}

/** Where a row's parent is, or -1. */
export function parentRow(rows: Row[], index: number): number {
  const level = rows[index]?.level ?? 1;
  for (let at = index - 1; at >= 0; at -= 1) if ((rows[at] as Row).level < level) return at;
  return -1;
}

/** The next entry, from `start` on and around, whose name begins with the typed text; -1 when none does. */
export function findTyped(rows: Row[], start: number, typed: string): number {
  const wanted = typed.toLocaleLowerCase();
  for (let step = 0; step < rows.length; step += 1) {
    const at = (start + step) % rows.length;
    const row = rows[at] as Row;
    if (row.kind === "entry" && row.name.toLocaleLowerCase().startsWith(wanted)) return at;
  }
  return -1;
}

/** Where a moved or removed directory leaves the selection: null when it is not affected. */
export function followMove(selected: string, from: string, to: string): string | null {
  if (!isWithin(selected, from)) return null;
  return selected === from ? to : childPath(to, selected.slice(from.length + 1));
}

const LAST = "\u{10FFFF}".repeat(4);

/** A cursor right before a name, so that a page after it begins with that. Names are in the order of their code points. */
export function cursorBefore(name: string): string {
  const last = [...name].at(-1) ?? "";
  const rest = name.slice(0, name.length - last.length);
  const code = last.codePointAt(0) ?? 0;
  if (code === 0) return rest;
  const before = code === 0xe000 ? 0xd7ff : code - 1; // there is none of the surrogates
  return rest + String.fromCodePoint(before) + LAST;
}

/** Whether a text comes before another in the order of listings. */
export function comesBefore(one: string, other: string): boolean {
  const [ones, others] = [[...one], [...other]];
  for (let at = 0; at < ones.length && at < others.length; at += 1) {
    const difference = (ones[at]?.codePointAt(0) ?? 0) - (others[at]?.codePointAt(0) ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return ones.length < others.length;
}
