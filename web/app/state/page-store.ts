/** What the page itself keeps in this browser, apart from the filesystem: drafts, what was last seen of the cluster, and
 *  what the console's cells showed.
 *  A browser that keeps nothing, or a store that is lost, is no failure: then nothing is found. */

import { type DBSchema, type IDBPDatabase, openDB } from "idb";
import type { ListPage, ObjectView, TablePage } from "../../protocol";
import type { Draft } from "../logic/draft";
import type { Stored } from "../logic/stored";
import type { RawText } from "./edit";

export interface KeptDraft {
  /** The tab that it was typed in. */
  tab: string;
  date: string; // ISO 8601, UTC
  /** What was read when the editing began. */
  view: ObjectView;
  draft: Draft;
  raw?: RawText | null;
}

/** What may be kept of what was seen. */
export type Seen = ListPage | ObjectView | TablePage;

export interface Sighting {
  /** Whose it is, and of which cluster. */
  scope: string;
  date: string; // ISO 8601, UTC
  size: number;
  value: Seen;
}

/** What a cell of the console showed. */
export interface KeptOutputs {
  /** Who was signed in, and at which cluster; "": nobody. */
  scope: string;
  date: string; // ISO 8601, UTC
  size: number;
  outputs: Stored[];
  count: number;
}

interface Schema extends DBSchema {
  outputs: { key: string; value: KeptOutputs };
  drafts: { key: string; value: KeptDraft };
  seen: { key: string; value: Sighting };
  memory: { key: string; value: string };
}

const NAME = "emerge-page";
let opened: Promise<IDBPDatabase<Schema>> | null = null;

function open(): Promise<IDBPDatabase<Schema>> {
  const forget = (): void => void (opened = null);
  opened ??= openDB<Schema>(NAME, 2, {
    upgrade(database) {
      for (const name of ["drafts", "seen", "memory", "outputs"] as const)
        if (!database.objectStoreNames.contains(name)) database.createObjectStore(name);
    },
    blocking: (_current, _wanted, event) => {
      (event.target as IDBDatabase).close();
      forget();
    },
    terminated: forget,
  });
  opened.catch(forget);
  return opened;
}

/** What `work` gives; `otherwise` where this browser keeps nothing, or not any more. */
export async function withPageStore<T>(otherwise: T, work: (store: IDBPDatabase<Schema>) => Promise<T>): Promise<T> {
  try {
    return await work(await open());
  } catch (error) {
    console.info("the page's own store:", error);
    return otherwise;
  }
}

/** Writes rows of one kind as they change, one write at a time: while it lasts, only the newest of each is remembered. */
export class RowWriter<N extends "drafts" | "outputs"> {
  #name: N;
  #pending = new Map<string, Schema[N]["value"] | null>();
  #writing = false;

  constructor(name: N) {
    this.#name = name;
  }

  /** Null: it is not to be kept any more. */
  set(key: string, row: Schema[N]["value"] | null): void {
    this.#pending.set(key, row);
    void this.#write();
  }

  async #write(): Promise<void> {
    if (this.#writing) return;
    this.#writing = true;
    await null; // what comes together is written together
    while (this.#pending.size > 0) {
      const some = [...this.#pending];
      this.#pending.clear();
      await withPageStore(undefined, async (store) => {
        const { store: rows, done } = store.transaction(this.#name, "readwrite");
        for (const [key, row] of some) void (row === null ? rows.delete(key) : rows.put(row, key));
        await done;
      });
    }
    this.#writing = false;
  }
}
