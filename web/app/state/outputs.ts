/** What came of the console's cells, kept in this browser: a reload shows it again.
 *
 *  It is bounded: the outputs that are oldest go first. What cells show may come from the cluster, so it belongs to who was
 *  signed in: nobody else finds it. What is cleared from the console, or removed, is not kept. */

import type { Connection } from "../../protocol";
import type { Port } from "../port";
import type { CellItem } from "./cells.svelte";
import { type KeptOutputs, RowWriter, withPageStore } from "./page-store";
import { scopeOf, surplus } from "./seen";

const MOST_BYTES = 8 << 20;

export class ConsoleOutputs {
  #most: number;
  #items: () => readonly CellItem[];
  /** Size of each that is kept, the oldest first. */
  #sizes = new Map<string, number>();
  #rows = new RowWriter("outputs");
  /** Whose these are: "" until the first connection tells. */
  #scope = "";
  #known = false;
  /** Whose those are that were kept before this page was loaded. */
  #before = new Map<string, string>();

  /** `most`: outputs of so many cells; `items`: the cells that may show what was kept. */
  constructor(port: Port, most: number, items: () => readonly CellItem[]) {
    this.#most = most;
    this.#items = items;
    void this.#show();
    port.on("connection", ({ connection }) => this.#follow(connection));
  }

  /** Keep what a cell shows now. */
  keep(item: CellItem): void {
    const { outputs, count } = item.keep();
    const size = JSON.stringify(outputs).length;
    this.#before.delete(item.id);
    this.#sizes.delete(item.id);
    this.#sizes.set(item.id, size);
    this.#rows.set(item.id, { scope: this.#scope, date: new Date().toISOString(), size, outputs, count });
    this.#forget(surplus(this.#sizes, this.#most, MOST_BYTES));
  }

  /** Forget those of all other cells. */
  retain(ids: ReadonlySet<string>): void {
    this.#forget([...this.#sizes.keys()].filter((id) => !ids.has(id)));
  }

  #forget(ids: string[]): void {
    for (const id of ids) {
      this.#sizes.delete(id);
      this.#before.delete(id);
      this.#rows.set(id, null);
    }
  }

  /** Show in the cells what was kept of them, and forget what is of none. */
  async #show(): Promise<void> {
    const found = await withPageStore<{ id: string; row: KeptOutputs }[]>([], async (store) => {
      const [ids, rows] = await Promise.all([store.getAllKeys("outputs"), store.getAll("outputs")]);
      return rows.map((row, at) => ({ id: ids[at] as string, row }));
    });
    const items = new Map(this.#items().map((item) => [item.id, item]));
    const newer = [...this.#sizes];
    this.#sizes.clear();
    for (const { id, row } of found.sort((one, other) => one.row.date.localeCompare(other.row.date))) {
      this.#sizes.set(id, row.size);
      this.#before.set(id, row.scope);
      if (!this.#known && row.scope !== "") this.#scope = row.scope;
    }
    for (const [id, size] of newer) {
      this.#sizes.delete(id);
      this.#sizes.set(id, size);
      this.#before.delete(id);
    }
    for (const { id, row: { outputs, count } } of found) {
      const item = this.#before.has(id) ? items.get(id) : undefined;
      item?.take({ ...item.keep(), outputs, count });
    }
    this.#forget([...this.#sizes.keys()].filter((id) => !items.has(id) && this.#before.has(id)));
    this.#disown();
  }

  #follow(connection: Connection): void {
    const scope = scopeOf(connection);
    if (scope === null) return;
    [this.#scope, this.#known] = [scope, true];
    this.#disown();
  }

  /** Take away what another principal's cells have shown. */
  #disown(): void {
    if (!this.#known) return;
    const gone = [...this.#before].filter(([, scope]) => scope !== "" && scope !== this.#scope).map(([id]) => id);
    for (const item of this.#items()) if (gone.includes(item.id) && item.cell.state === "earlier") item.take({ ...item.keep(), outputs: [], count: 0 });
    if (gone.length > 0) this.#forget(gone);
  }
}
