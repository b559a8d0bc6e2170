/** Unsaved edits, kept in this browser as they are typed: a reload, a crash of the tab or a lost connection loses none.
 *  What a tab that has ended left behind is offered when its object is opened. */

import type { Where } from "../../protocol";
import { fullPath, keyOf } from "../logic/path";
import { completeView } from "../logic/view";
import type { Edit } from "./edit";
import { type KeptDraft, RowWriter, withPageStore } from "./page-store";

const LOCK = "emerge-tab-";

export class Drafts {
  /** Those of tabs that have ended, the newest first. */
  left = $state.raw<{ key: string; draft: KeptDraft }[]>([]);
  readonly #tab = crypto.randomUUID();
  #rows = new RowWriter("drafts");

  constructor() {
    if ("locks" in navigator) void navigator.locks.request(LOCK + this.#tab, () => new Promise(() => undefined)); // until it ends
    void this.#find();
  }

  /** The newest that was left behind of an object. */
  of(where: Where, path: string): KeptDraft | null {
    const target = keyOf(where, path);
    return this.left.find(({ draft }) => targetOf(draft) === target)?.draft ?? null;
  }

  /** Keep what is typed now; null: nothing is unsaved any more. */
  keep(key: string, edit: Edit | null): void {
    const draft = edit && { tab: this.#tab, date: new Date().toISOString(), view: plain(edit.view), draft: plain(edit.draft), raw: plain(edit.raw ?? null) };
    this.#rows.set(`${key}\n${this.#tab}`, draft);
  }

  /** Forget what was left behind of an object: it was taken up, or is not wanted. */
  discard(where: Where, path: string): void {
    const target = keyOf(where, path);
    for (const { key, draft } of this.left) if (targetOf(draft) === target) this.#rows.set(key, null);
    this.left = this.left.filter(({ draft }) => targetOf(draft) !== target);
  }

  async #find(): Promise<void> {
    const living = await livingTabs();
    const found = await withPageStore<{ key: string; draft: KeptDraft }[]>([], async (store) => {
      const [keys, drafts] = await Promise.all([store.getAllKeys("drafts"), store.getAll("drafts")]);
      return keys.map((key, index) => ({ key, draft: completed(drafts[index] as KeptDraft) }));
    });
    const left = found.filter(({ draft }) => !living.has(draft.tab) && draft.tab !== this.#tab);
    this.left = left.sort((one, other) => other.draft.date.localeCompare(one.draft.date));
  }
}

function targetOf({ view }: KeptDraft): string {
  return keyOf(view.where, fullPath(view.pointer));
}

/** What a page of an earlier version of Emerge kept has not all of what is known of an object now. */
function completed(kept: KeptDraft): KeptDraft {
  return { ...kept, view: completeView(kept.view) };
}

function plain<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}

async function livingTabs(): Promise<Set<string>> {
  if (!("locks" in navigator)) return new Set();
  const { held = [] } = await navigator.locks.query();
  return new Set(held.map(({ name = "" }) => name.slice(LOCK.length)));
}
