/** What has changed on the cluster since the page was opened, the newest first: the last ones of them. */

import type { Event, Where } from "../../protocol";
import type { Port } from "../port";

const MOST = 200;

export interface Happened {
  /** Told apart by this: the same may happen twice in a moment. */
  id: number;
  at: number; // ms since 1970
  operation: string;
  path: string;
  /** There is nothing at the path now. */
  gone: boolean;
  version: number;
  author: string;
  node: string;
}

export class Feed {
  shown = $state.raw<Happened[]>([]);
  /** Since it was paused, so many happened. */
  waiting = $state(0);
  paused = $state(false);
  #all: Happened[] = [];
  #next = 1;
  #drawing = false;

  constructor(port: Pick<Port, "on">, where: Where) {
    port.on("change", (change) => {
      if (change.where === where) this.#add(change);
    });
  }

  pause(paused = !this.paused): void {
    this.paused = paused;
    if (!paused) this.#draw();
  }

  clear(): void {
    this.#all = [];
    this.#draw();
  }

  #add({ operation, path, pointer, author }: Extract<Event, { event: "change" }>): void {
    const happened: Happened = { id: this.#next++, at: Date.now(), operation, path, gone: operation === "rm" || (pointer === null && operation !== "many"), version: pointer?.version ?? 0, author, node: pointer?.node ?? "" };
    this.#all = [happened, ...this.#all.slice(0, MOST - 1)];
    if (this.paused) this.waiting += 1;
    else if (!this.#drawing) {
      this.#drawing = true;
      queueMicrotask(() => {
        this.#drawing = false;
        if (!this.paused) this.#draw();
      });
    }
  }

  #draw(): void {
    this.shown = this.#all;
    this.waiting = 0;
  }
}

const VERBS: Record<string, string> = { store: "stored", update: "changed", add: "added to", mkdir: "made", rm: "removed", cp: "copied", chmod: "rights of", chown: "owner of", restore: "restored", purge: "deleted for good", run: "changed by a run", mixin: "class of", put: "put", import: "imported" };

/** What happened, in a word or two before the path. */
export function verb({ operation, gone }: Pick<Happened, "operation" | "gone">): string {
  if (operation === "many") return "much changed below";
  if (operation === "mv") return gone ? "moved away" : "moved here";
  return VERBS[operation] ?? operation;
}
