/** The object (or directory) that lies open, and the unsaved edits of every object that has some. */

import type { Failure, Field, ObjectView, Pointer, StateFormat, Where } from "../../protocol";
import { editDraft, rebaseDraft } from "../logic/draft";
import { makeFailure, toFailure } from "../logic/failure";
import { withoutOwn } from "../logic/own";
import { fullPath, isWithin, keyOf, nameOf, parentPath } from "../logic/path";
import { followMove, type Change } from "../logic/tree";
import type { Route } from "../logic/route";
import type { Drafts } from "./drafts.svelte";
import type { Changes } from "./changes.svelte";
import { noProblems, saveEdit, type Edit } from "./edit";
import type { FileTree } from "./filetree.svelte";
import type { Navigation } from "./navigation.svelte";
import type { KeptDraft } from "./page-store";
import type { Session } from "./session.svelte";

type Trees = Record<Where, FileTree>;

export class Desk {
  view = $state.raw<ObjectView | null>(null);
  directory = $state.raw<{ where: Where; path: string } | null>(null);
  failure = $state.raw<Failure | null>(null);
  loading = $state(false);
  /** A version that was stored elsewhere while this one is being edited. */
  newer = $state.raw<Pointer | null>(null);
  edits = $state.raw<Record<string, Edit>>({});
  #session: Session;
  #trees: Trees;
  #navigation: Navigation;
  #drafts: Drafts;
  #changes: Changes;
  #turn = 0;
  /** Where the last move came from: its event comes before the one that says where it went. */
  #movedFrom: { where: Where; path: string } | null = null;

  constructor(session: Session, trees: Trees, navigation: Navigation, drafts: Drafts, changes: Changes) {
    this.#drafts = drafts;
    this.#changes = changes;
    this.#session = session;
    this.#trees = trees;
    this.#navigation = navigation;
    session.port.on("change", (change) => this.#follow(change));
  }

  get editCount(): number {
    return Object.keys(this.edits).length;
  }

  get edit(): Edit | null {
    const view = this.view;
    return view === null || this.readOnly ? null : (this.edits[keyOf(view.where, fullPath(view.pointer))] ?? null);
  }

  get readOnly(): boolean {
    return (this.#navigation.route?.version ?? 0) > 0;
  }

  /** Show what a route names. */
  async open(route: Route): Promise<void> {
    const { where, path, version } = route;
    const turn = ++this.#turn;
    const reach = this.#session.reach(where);
    if (reach !== "up" && this.#isShown(route)) return;
    this.failure = this.newer = this.directory = null;
    const tree = this.#trees[where];
    if (path === "/" || (version === 0 && tree.find(path)?.directory === true)) return this.#showDirectory(route);
    const kept = version === 0 ? this.edits[keyOf(where, path)] : undefined;
    if (kept !== undefined) this.view = kept.view;
    else if (this.view?.where !== where || fullPath(this.view.pointer) !== path) this.view = null;
    this.loading = true;
    if (reach === "soon") return; // opened again once it is there
    const revealed = tree.reveal(path);
    try {
      const view = await this.#session.port.call("open", { where, path, version });
      if (turn === this.#turn) this.#show(view, route);
    } catch (error) {
      const branch = await revealed;
      if (turn !== this.#turn) return;
      if (branch?.directory === true) this.#showDirectory(route);
      else this.#fail(toFailure(error));
    }
  }

  async reload(): Promise<void> {
    if (this.#navigation.route !== null) await this.open(this.#navigation.route);
  }

  type(name: string, text: string): void {
    const view = this.view;
    if (view === null || this.readOnly) return;
    const base = this.edit?.view ?? view;
    const draft = editDraft(this.edit?.draft ?? {}, base.fields, name, text);
    const problems = withoutOwn(this.edit?.problems ?? {}, name);
    this.put(base, { view: base, draft, problems, failure: null, conflict: this.edit?.conflict ?? null, saving: false });
  }

  /** An edited text of the whole state: kept as it is until it can be read. */
  write(format: StateFormat, text: string): void {
    const view = this.view;
    if (view === null || this.readOnly) return;
    const base = this.edit?.view ?? view;
    this.put(base, { ...this.#fresh(base), raw: { format, text, problem: this.edit?.raw?.problem ?? "" } });
  }

  /** Read that text: what it changes becomes the draft. False when it cannot be read. */
  async readRaw(): Promise<boolean> {
    const edit = this.edit;
    const raw = edit?.raw;
    if (edit == null || raw == null) return true;
    const { where, pointer } = edit.view;
    const args = { where, path: fullPath(pointer), version: pointer.version, format: raw.format, text: raw.text };
    let draft: Record<string, string> | null = null;
    let problem = "";
    try {
      draft = (await this.#session.port.call("readstate", args)).changes;
    } catch (error) {
      const { message, remedy } = toFailure(error);
      problem = [message, remedy].filter((part) => part !== null).join(": ");
    }
    const now = this.edits[keyOf(where, fullPath(pointer))];
    if (now?.raw?.text !== raw.text) return false; // written on meanwhile
    this.put(edit.view, draft === null ? { ...now, raw: { ...raw, problem } } : { ...now, draft, problems: {}, raw: null });
    return draft !== null;
  }

  /** Leave out a field that an edited text has added. */
  drop(name: string): void {
    const edit = this.edit;
    if (edit === null) return;
    this.put(edit.view, { ...edit, draft: withoutOwn(edit.draft, name) });
  }

  #fresh(view: ObjectView): Edit {
    return this.edit ?? { view, draft: {}, problems: {}, failure: null, conflict: null, saving: false };
  }

  /** Forget the edits of the open object and show it as it is stored now. */
  async revert(): Promise<void> {
    if (this.view !== null) this.put(this.view, null);
    await this.reload();
  }

  async save(): Promise<void> {
    if (!(await this.readRaw())) return;
    const edit = this.edit;
    if (edit === null || edit.saving || noProblems(edit)) return;
    const saved = await saveEdit(edit, this.#session, (next) => this.put(edit.view, next));
    const { where, pointer } = edit.view;
    const path = fullPath(pointer);
    if (saved) this.#changes.note(`Saved ${pointer.name}`, where, [{ change: "restore", path, version: pointer.version }]);
    if (saved && this.#shows(edit.view.where, fullPath(edit.view.pointer))) await this.reload();
  }

  /** Go on after a conflict: their version, with the fields for which mine was chosen. */
  async settle(changes: Record<string, string>): Promise<void> {
    const edit = this.edit;
    if (edit === null || edit.conflict === null) return;
    const view = { ...edit.view, pointer: edit.conflict.pointer, fields: merge(edit.view.fields, edit.conflict.theirs) };
    const added = Object.entries(changes).filter(([name]) => !view.fields.some((field) => field.name === name));
    const draft = { ...rebaseDraft(changes, view.fields), ...Object.fromEntries(added) };
    this.view = view;
    this.newer = null;
    this.put(view, { view, draft, problems: {}, failure: null, conflict: null, saving: false });
    if (Object.keys(draft).length === 0) await this.revert();
    else await this.save();
  }

  put(view: ObjectView, edit: Edit | null): void {
    const key = keyOf(view.where, fullPath(view.pointer));
    const { [key]: _, ...others } = this.edits;
    const kept = edit === null || noProblems(edit) ? null : edit;
    this.edits = kept === null ? others : { ...others, [key]: kept };
    this.#drafts.keep(key, kept);
  }

  /** Go on with edits that an ended tab left behind: over the version that they were made on. */
  takeUp({ view, draft, raw = null }: KeptDraft): void {
    this.#drafts.discard(view.where, fullPath(view.pointer));
    const current = this.view;
    this.view = view;
    this.put(view, { view, draft, raw, problems: {}, failure: null, conflict: null, saving: false });
    if (current !== null && current.pointer.version > view.pointer.version) this.newer = current.pointer;
  }

  #show(view: ObjectView, route: Route): void {
    if (view.pointer.type === "directory") return this.#showDirectory(route);
    this.loading = false;
    const edit = route.version === 0 ? this.edits[keyOf(route.where, route.path)] : undefined;
    if (edit === undefined) this.view = view;
    else if (view.pointer.version > edit.view.pointer.version) this.newer = view.pointer;
  }

  #showDirectory(route: Route): void {
    this.view = null;
    this.loading = false;
    this.directory = { where: route.where, path: route.path };
    void this.#trees[route.where].reveal(route.path);
  }

  #fail(failure: Failure): void {
    this.loading = false;
    this.failure = failure;
    if (this.edit === null) this.view = null;
  }

  #isShown({ where, path, version }: Route): boolean {
    if (this.directory !== null) return this.directory.where === where && this.directory.path === path;
    const pointer = this.view?.where === where ? this.view.pointer : null;
    return pointer !== null && fullPath(pointer) === path && (version === 0 || version === pointer.version);
  }

  #shows(where: Where, path: string): boolean {
    return this.#navigation.isAt(where, path);
  }

  #follow(change: Change): void {
    const { where, path, pointer, operation } = change;
    if (operation === "mv") return this.#followMove(where, path, pointer);
    const shown = this.#navigation.route;
    if (shown === null || shown.where !== where || this.directory !== null) return;
    const within = isWithin(shown.path, path);
    if (operation === "rm" && within) this.#fail(makeFailure("NotFound", `${shown.path} was removed`, "Unsaved edits of it are kept."));
    else if ((shown.path !== path && !(operation === "many" && within)) || this.readOnly) return;
    else if (pointer !== null && pointer.revision === this.view?.pointer.revision) return;
    else if (this.edit === null) void this.reload();
    else if (!this.edit.saving && pointer !== null && pointer.version > this.edit.view.pointer.version) this.newer = pointer;
  }

  /** A move comes as two events: from where (no pointer), then to where. What is open goes along. */
  #followMove(where: Where, path: string, pointer: Pointer | null): void {
    const from = this.#movedFrom;
    this.#movedFrom = pointer === null ? { where, path } : null;
    const route = this.#navigation.route;
    if (pointer === null || from === null || from.where !== where) return;
    const moves = Object.values(this.edits).filter(({ view }) => view.where === where);
    for (const edit of moves) {
      const to = followMove(fullPath(edit.view.pointer), from.path, path);
      if (to !== null) this.#rekey(edit, to);
    }
    const to = route?.where === where ? followMove(route.path, from.path, path) : null;
    if (route !== null && to !== null) this.#navigation.replace({ ...route, path: to });
  }

  #rekey(edit: Edit, path: string): void {
    const view = { ...edit.view, pointer: { ...edit.view.pointer, path: parentPath(path), name: nameOf(path) } };
    this.put(edit.view, null);
    this.put(view, { ...edit, view });
  }
}

/** Their values in the fields as they were shown (whose annotations and docs stay). */
function merge(fields: Field[], theirs: Field[]): Field[] {
  const known = new Set(fields.map((field) => field.name));
  const text = new Map(theirs.map((field) => [field.name, field.text]));
  const kept = fields.map((field) => ({ ...field, text: text.get(field.name) ?? field.text }));
  return [...kept, ...theirs.filter((field) => !known.has(field.name))];
}
