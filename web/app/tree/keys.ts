/** The keyboard in a tree, as the ARIA pattern has it: arrows, Home, End, and typing a name. */

import { findTyped, parentRow, type Row } from "../logic/tree";

interface Expandable {
  rows: Row[];
  expand(path: string): void;
  collapse(path: string): void;
}

const FORGET = 700; // ms after which typing begins a new name

export class TreeKeys {
  #move: (index: number) => void;
  #typed = "";
  #last = 0;

  constructor(move: (index: number) => void) {
    this.#move = move;
  }

  /** True when the key was for the tree. */
  handle(event: KeyboardEvent, tree: Expandable, at: number): boolean {
    if (event.ctrlKey || event.metaKey || event.altKey) return false;
    switch (event.key) {
      case "ArrowDown":
        return this.#step(tree.rows, at, 1);
      case "ArrowUp":
        return this.#step(tree.rows, at, -1);
      case "PageDown":
        return this.#step(tree.rows, Math.min(at + 15, tree.rows.length - 1) - 1, 1);
      case "PageUp":
        return this.#step(tree.rows, Math.max(at - 15, 0) + 1, -1);
      case "Home":
        return this.#step(tree.rows, -1, 1);
      case "End":
        return this.#step(tree.rows, tree.rows.length, -1);
      case "ArrowRight":
        return this.#open(tree, at);
      case "ArrowLeft":
        return this.#close(tree, at);
      default:
        return this.#type(event, tree.rows, at);
    }
  }

  #step(rows: Row[], from: number, direction: 1 | -1): boolean {
    let to = from + direction;
    while (rows[to] !== undefined && rows[to]?.kind !== "entry") to += direction;
    if (rows[to] !== undefined) this.#move(to);
    return true;
  }

  #open(tree: Expandable, at: number): boolean {
    const row = tree.rows[at];
    if (row?.kind !== "entry" || !row.branch.directory) return true;
    const inside = tree.rows[at + 1];
    if (!row.expanded) tree.expand(row.path);
    else if (inside?.kind === "entry" && inside.level > row.level) this.#move(at + 1);
    return true;
  }

  #close(tree: Expandable, at: number): boolean {
    const row = tree.rows[at];
    if (row?.kind === "entry" && row.expanded) tree.collapse(row.path);
    else if (parentRow(tree.rows, at) >= 0) this.#move(parentRow(tree.rows, at));
    return true;
  }

  #type(event: KeyboardEvent, rows: Row[], at: number): boolean {
    const fresh = event.timeStamp - this.#last > FORGET;
    if (event.key.length !== 1 || (event.key === " " && fresh)) return false;
    this.#last = event.timeStamp;
    this.#typed = fresh ? event.key : this.#typed + event.key;
    const found = findTyped(rows, fresh ? at + 1 : at, this.#typed);
    if (found >= 0) this.#move(found);
    return true;
  }
}
