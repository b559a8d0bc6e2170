/** What is kept for a path of either filesystem while the page is open: made when it is first asked for. */

import type { Where } from "../../protocol";
import { keyOf } from "../logic/path";

export class Kept<T> {
  #make: (where: Where, path: string) => T;
  #known = new Map<string, T>();

  constructor(make: (where: Where, path: string) => T) {
    this.#make = make;
  }

  of(where: Where, path: string): T {
    const key = keyOf(where, path);
    const known = this.#known.get(key) ?? this.#make(where, path);
    this.#known.set(key, known);
    return known;
  }
}
