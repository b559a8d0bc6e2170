/** A notebook that is open: its cells, saved as they are typed, merged with what others do to them. */

import type { Failure, NotebookView, Where } from "../../protocol";
import { formatCause } from "../logic/cause";
import { toFailure } from "../logic/failure";
import { fullPath, nameOf, parentPath } from "../logic/path";
import { mergeRequirements } from "../logic/requirement";
import { CellItem, Cells } from "../state/cells.svelte";
import type { Console } from "../state/console.svelte";
import type { Session } from "../state/session.svelte";

const PAUSE = 1_200; // ms without a key until what was typed is a version

export class Notebook extends Cells {
  readonly of = "notebook";
  readonly where: Where;
  readonly path: string;
  /** The version that is shown; 0: the newest, which can be edited. */
  readonly shown: number;
  requirements = $state.raw<string[]>([]);
  state = $state<"new" | "loading" | "ready">("new");
  failure = $state.raw<Failure | null>(null);
  /** This user may only read it. */
  refused = $state(false);
  /** Why it could not be saved; what was typed is still here. */
  unsaved = $state.raw<Failure | null>(null);
  dirty = $state(false);
  saving = $state(false);
  version = $state(0);
  #session: Session;
  #console: Console;
  #revision = "";
  #timer: ReturnType<typeof setTimeout> | undefined;
  #changes = 0;
  #saved: Promise<void> | null = null;
  /** What was asked for before the cells were there. */
  #wanted = $state.raw<(() => void) | null>(null);

  constructor(session: Session, console: Console, where: Where, path: string, shown: number) {
    super(console.queue);
    this.#session = session;
    this.#console = console;
    this.where = where;
    this.path = path;
    this.shown = shown;
    this.readOnly = shown > 0; // or when this user may only read it, as is known once it is open
  }

  /** Show what is stored; `revision` is the newest. */
  async open(revision: string): Promise<void> {
    if (this.#saved !== null) return; // the answer says what is there
    if (this.dirty && this.unsaved !== null) return this.save(); // its place is back
    if (this.state === "ready" && (revision === this.#revision || this.shown > 0)) return;
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
      if (this.unsaved.code === "PermissionDenied") this.#refuse(true);
    }
    this.saving = false;
  }

  protected get selected(): Where {
    return this.#console.where;
  }

  /** Run cells, whose text is saved before: what they write is recorded with its version. */
  override async run(...items: CellItem[]): Promise<void> {
    if (this.dirty) await this.save();
    await super.run(...items);
  }

  protected override prepare(item: CellItem): void {
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
  }

  /** All are to run as soon as they are there. */
  get waits(): boolean {
    return this.#wanted !== null;
  }

  /** Asked for while the notebook is being opened, it runs then. */
  override runAll(): void {
    if (this.state === "ready") super.runAll();
    else this.#wanted = () => this.runAll();
  }

  /** A fresh Python, then all cells. */
  restartAndRunAll(): void {
    this.#console.restart();
    this.runAll();
  }

  async exportText(): Promise<string> {
    await this.save();
    return (await this.#session.port.call("writeipynb", { where: this.where, path: this.path, version: 0 })).text;
  }

  /** A copy beside it, or in this browser where this user may only read it. */
  async copy(): Promise<{ where: Where; path: string }> {
    const cells = this.items.map((item) => item.keep());
    const [where, directory]: [Where, string] = this.refused ? ["local", "/notebooks"] : [this.where, parentPath(this.path)];
    const pointer = await this.#session.port.call("makenotebook", { where, path: directory, name: nameOf(this.path), cells, requirements: this.requirements });
    return { where, path: fullPath(pointer) };
  }

  #refuse(refused: boolean): void {
    this.refused = refused;
    this.readOnly = refused || this.shown > 0;
  }

  /** `sent`: the texts that were sent; what was typed, added and removed since then stays so. */
  #take(view: NotebookView, sent?: Map<string, string>): void {
    const known = new Map(this.items.map((item) => [item.id, item]));
    const gone = (id: string): boolean => sent !== undefined && sent.has(id) && !known.has(id);
    const items = view.cells.filter(({ id }) => !gone(id)).map((kept) => {
      const item = known.get(kept.id);
      if (item === undefined) return new CellItem(kept);
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
    this.#refuse(!view.may);
    this.requirements = view.requirements;
    this.version = view.pointer.version;
    this.#revision = view.pointer.revision;
  }
}
