/** What the page itself keeps in this browser, apart from the filesystem: drafts, and what was last seen of the cluster.
 *  A browser that keeps nothing, or a store that is lost, is no failure: then nothing is found. */

import { type DBSchema, type IDBPDatabase, openDB } from "idb";
import type { ListPage, ObjectView, TablePage } from "../../protocol";
import type { Draft } from "../logic/draft";
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

interface Schema extends DBSchema {
  drafts: { key: string; value: KeptDraft };
  seen: { key: string; value: Sighting };
  memory: { key: string; value: string };
}

const NAME = "emerge-page";
let opened: Promise<IDBPDatabase<Schema>> | null = null;

function open(): Promise<IDBPDatabase<Schema>> {
  const forget = (): void => void (opened = null);
  opened ??= openDB<Schema>(NAME, 1, {
    upgrade(database) {
      for (const name of ["drafts", "seen", "memory"] as const) database.createObjectStore(name);
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
