/** A notebook that is open: its cells, saved as they are typed, merged with what others do to them. */

import type { Failure, NotebookCell, NotebookView, Where } from "../../protocol";
import { formatCause } from "../logic/cause";
import { toFailure } from "../logic/failure";
import { fullPath, nameOf, parentPath } from "../logic/path";
import { mergeRequirements } from "../logic/requirement";
import { fromStored, toStored, type Stored } from "../logic/stored";
import { Cell } from "../state/cell.svelte";
import type { Console } from "../state/console.svelte";
import type { Session } from "../state/session.svelte";

export const EMPTY: NotebookCell = { id: "", kind: "code", name: "", source: "", outputs: [], count: 0, folded: false, metadata: {}, attachments: {} };
const PAUSE = 1_200; // ms without a key until what was typed is a version

export class NotebookItem {
  readonly id: string;
  kind = $state<NotebookCell["kind"]>("code");
  name = $state("");
  folded = $state(false);
  /** What Python makes of it; its text is the cell's. */
  readonly cell: Cell;
  /** Of Markdown: its text is being written. */
  editing = $state(false);
  #kept: NotebookCell;

  constructor(kept: NotebookCell) {
    this.id = kept.id;
    this.#kept = kept;
    this.cell = new Cell(-1, kept.source, "cluster", "earlier");
    this.take(kept);
  }

  /** Show what is kept, unless it runs. */
  take(kept: NotebookCell): void {
    const same = JSON.stringify(kept.outputs) === JSON.stringify(this.#kept.outputs) && this.cell.run > 0;
    this.#kept = kept;
    this.kind = kept.kind;
    this.name = kept.name;
    this.folded = kept.folded;
    this.cell.code = kept.source;
    if (same || this.cell.state === "running" || this.cell.state === "queued") return;
    const { outputs, failure } = fromStored(kept.outputs);
    this.cell.restore(outputs, failure, kept.count);
  }

  /** What is to be kept now. */
  keep(): NotebookCell {
    const { cell } = this;
    const going = cell.state === "queued" || cell.state === "running" || cell.state === "earlier";
    const outputs: Stored[] = this.kind !== "code" ? [] : going ? this.#kept.outputs : toStored(cell.outputs, cell.failure, cell.run);
    const count = going ? this.#kept.count : cell.run;
    this.#kept = { ...this.#kept, id: this.id, kind: this.kind, name: this.name, source: cell.code, outputs, count: this.kind === "code" ? count : 0, folded: this.folded };
    return this.#kept;
  }
}

export class Notebook {
  readonly where: Where;
  readonly path: string;
  /** The version that is shown; 0: the newest, which can be edited. */
  readonly shown: number;
  items = $state.raw<NotebookItem[]>([]);
  requirements = $state.raw<string[]>([]);
  state = $state<"new" | "loading" | "ready">("new");
  failure = $state.raw<Failure | null>(null);
  /** Why it could not be saved; what was typed is still here. */
  unsaved = $state.raw<Failure | null>(null);
  dirty = $state(false);
  saving = $state(false);
  version = $state(0);
  /** An older version, or one that this user may only read. */
  readOnly = $state(false);
  removed = $state.raw<{ item: NotebookItem; at: number }[]>([]);
  #session: Session;
  #console: Console;
  #revision = "";
  #timer: ReturnType<typeof setTimeout> | undefined;
  #changes = 0;
  #saved: Promise<void> | null = null;
  /** What was asked for before the cells were there. */
  #wanted = $state.raw<(() => void) | null>(null);

  constructor(session: Session, console: Console, where: Where, path: string, shown: number) {
    this.#session = session;
    this.#console = console;
    this.where = where;
    this.path = path;
    this.shown = shown;
    this.readOnly = shown > 0;
  }

  /** Show what is stored; `revision` is the newest. */
  async open(revision: string): Promise<void> {
    if (this.state === "ready" && (revision === this.#revision || this.shown > 0)) return;
    if (this.#saved !== null) return; // the answer says what is there
    if (this.dirty) return this.save(); // merges
    if (this.state === "new") this.state = "loading";
    const changes = this.#changes;
    try {
      const view = await this.#session.port.call("notebook", { where: this.where, path: this.path, version: this.shown });
      if (this.#changes > changes) return; // something was typed meanwhile: saving it merges
      if (this.state !== "ready" || view.pointer.version > this.version) this.#take(view);
      this.failure = null;
    } catch (error) {
      this.failure = toFailure(error);
    }
    this.state = this.failure === null ? "ready" : "new";
    const wanted = this.#wanted;
    this.#wanted = null;
    if (this.state === "ready") wanted?.();
  }

  changed(): void {
    if (this.readOnly) return;
    this.dirty = true;
    this.#changes += 1;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.save(), PAUSE);
  }

  /** One version of all that was changed. Others' changes come with the answer. */
  async save(): Promise<void> {
    clearTimeout(this.#timer);
    if (this.#saved !== null) await this.#saved;
    if (!this.dirty || this.readOnly) return;
    this.#saved ??= this.#save().finally(() => (this.#saved = null));
    await this.#saved;
  }

  async #save(): Promise<void> {
    const changes = this.#changes;
    this.saving = true;
    try {
      const cells = this.items.map((item) => item.keep());
      const kept = await this.#session.port.call("keepnotebook", { where: this.where, path: this.path, version: this.version, cells, requirements: this.requirements });
      this.unsaved = null;
      const later = this.#changes > changes;
      this.version = kept.pointer.version;
      this.#revision = kept.pointer.revision;
      if (kept.view !== null) this.#take(kept.view, later ? new Map(cells.map((cell) => [cell.id, cell.source])) : undefined);
      this.dirty = later;
      if (later) this.changed();
      this.#session.saved(this.where, this.path, kept.pointer);
    } catch (error) {
      this.unsaved = toFailure(error);
      if (this.unsaved.code === "PermissionDenied") this.readOnly = true;
    }
    this.saving = false;
  }

  /** Run cells, whose text is saved before: what they write is recorded with its version. */
  async run(...items: NotebookItem[]): Promise<void> {
    if (this.dirty) await this.save();
    for (const item of items) this.#run(item);
  }

  #run(item: NotebookItem): void {
    if (item.kind !== "code") {
      item.editing = false;
      return;
    }
    if (item.cell.code.trim() === "" || item.cell.state === "queued" || item.cell.state === "running") return;
    item.cell.onend = () => {
      if (item.cell.byItself) return; // kept with the next change: as a version of its own it might set the cell going again
      this.changed();
      void this.save();
    };
    item.cell.requirements = this.requirements;
    item.cell.onpackages = (lines) => {
      const merged = mergeRequirements(this.requirements, lines);
      if (merged.join() === this.requirements.join()) return;
      this.requirements = merged;
      this.changed();
    };
    item.cell.cause = formatCause({ where: this.where, path: this.path, cell: item.id, version: this.dirty ? 0 : this.version });
    this.#console.queue.run(item.cell, this.#console.where);
  }

  /** All are to run as soon as they are there. */
  get waits(): boolean {
    return this.#wanted !== null;
  }

  /** Asked for while the notebook is being opened, it runs then. */
  runAll(): void {
    if (this.state === "ready") void this.run(...this.items);
    else this.#wanted = () => this.runAll();
  }

  /** A fresh Python, then all cells. */
  restartAndRunAll(): void {
    this.#console.restart();
    this.runAll();
  }

  insert(at: number, kind: NotebookCell["kind"] = "code", source = ""): NotebookItem {
    const item = new NotebookItem({ ...EMPTY, id: freshId(), kind, source });
    item.editing = kind === "markdown";
    this.items = [...this.items.slice(0, at), item, ...this.items.slice(at)];
    this.changed();
    return item;
  }

  duplicate(item: NotebookItem): NotebookItem {
    return this.insert(this.items.indexOf(item) + 1, item.kind, item.cell.code);
  }

  remove(item: NotebookItem): void {
    const at = this.items.indexOf(item);
    if (at < 0) return;
    this.items = this.items.filter((other) => other !== item);
    this.#console.queue.live.stop(item.cell);
    this.removed = [...this.removed, { item, at }];
    this.changed();
  }

  undoRemove(): NotebookItem | null {
    const last = this.removed.at(-1);
    if (last === undefined) return null;
    this.removed = this.removed.slice(0, -1);
    this.items = [...this.items.slice(0, last.at), last.item, ...this.items.slice(last.at)];
    this.changed();
    return last.item;
  }

  /** Put a cell to a place among the others. */
  move(item: NotebookItem, at: number): void {
    const others = this.items.filter((other) => other !== item);
    const place = Math.min(Math.max(at, 0), others.length);
    if (this.items[place] === item) return;
    this.items = [...others.slice(0, place), item, ...others.slice(place)];
    this.changed();
  }

  set(item: NotebookItem, change: Partial<Pick<NotebookItem, "kind" | "name" | "folded">>): void {
    Object.assign(item, change);
    this.changed();
  }

  async exportText(): Promise<string> {
    await this.save();
    return (await this.#session.port.call("writeipynb", { where: this.where, path: this.path, version: 0 })).text;
  }

  /** A copy beside it, or (in /notebooks) where this user may write; its path. */
  async copy(): Promise<string> {
    const cells = this.items.map((item) => item.keep());
    const directory = this.readOnly ? "/notebooks" : parentPath(this.path);
    return fullPath(await this.#session.port.call("makenotebook", { where: this.where, path: directory, name: nameOf(this.path), cells, requirements: this.requirements }));
  }

  /** `sent`: the texts that were sent; what was typed, added and removed since then stays so. */
  #take(view: NotebookView, sent?: Map<string, string>): void {
    const known = new Map(this.items.map((item) => [item.id, item]));
    const gone = (id: string): boolean => sent !== undefined && sent.has(id) && !known.has(id);
    const items = view.cells.filter(({ id }) => !gone(id)).map((kept) => {
      const item = known.get(kept.id);
      if (item === undefined) return new NotebookItem(kept);
      const typed = sent !== undefined && item.cell.code !== sent.get(kept.id) ? item.cell.code : kept.source;
      item.take({ ...kept, source: typed });
      return item;
    });
    this.items.forEach((item, at) => {
      if (sent === undefined || sent.has(item.id) || items.includes(item)) return;
      const before = this.items[at - 1];
      items.splice(before === undefined ? 0 : items.indexOf(before) + 1, 0, item);
    });
    this.items = items;
    this.requirements = view.requirements;
    this.version = view.pointer.version;
    this.#revision = view.pointer.revision;
  }
}

export function freshId(): string {
  return crypto.randomUUID().slice(0, 8);
}
