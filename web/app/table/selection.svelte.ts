/** Which rows of a table are marked: some by their keys, or all that there are, less some. */

import { SvelteMap, SvelteSet } from "svelte/reactivity";

export class Selection<T = unknown> {
  /** All are marked, those that were never read too. */
  all = $state(false);
  /** The marked ones, by key; while `all`, what was marked before. */
  readonly marked = new SvelteMap<string, T>();
  /** While `all`: those that are not. */
  readonly except = new SvelteSet<string>();
  #last = -1;
  #between: (first: number, last: number) => [key: string, row: T][];

  /** `between` gives the rows from one index to another, as far as they are read. */
  constructor(between: (first: number, last: number) => [key: string, row: T][]) {
    this.#between = between;
  }

  has(key: string): boolean {
    return this.all ? !this.except.has(key) : this.marked.has(key);
  }

  size(count: number): number {
    return this.all ? count - this.except.size : this.marked.size;
  }

  isAll(count: number): boolean {
    return count > 0 && this.size(count) === count;
  }

  clear(): void {
    this.all = false;
    this.marked.clear();
    this.except.clear();
    this.#last = -1;
  }

  toggleAll(count: number): void {
    const all = !this.isAll(count);
    this.clear();
    this.all = all;
  }

  /** Mark or unmark a row; with `range`, all from the last one that was clicked do as this one does. */
  click(index: number, key: string, row: T, range: boolean): void {
    const mark = !this.has(key);
    const rows: [string, T][] = range && this.#last >= 0 ? this.#between(Math.min(index, this.#last), Math.max(index, this.#last)) : [];
    for (const [each, item] of [...rows, [key, row] as [string, T]]) this.#set(each, item, mark);
    this.#last = index;
  }

  #set(key: string, row: T, mark: boolean): void {
    if (this.all) {
      if (mark) this.except.delete(key);
      else this.except.add(key);
    } else if (mark) this.marked.set(key, row);
    else this.marked.delete(key);
  }
}
