/** Scripts that draw charts: cells' Python tells them, and this browser keeps the newest of each package. They run in closed
 *  frames only (output/Frame.svelte). */

import { SvelteMap } from "svelte/reactivity";
import type { Port } from "../port";

const STORE = "emerge-scripts";

export class Scripts {
  /** null: there is none. */
  #known = new SvelteMap<string, string | null>();
  #asked = new Set<string>();

  constructor(port: Pick<Port, "on">) {
    port.on("script", ({ name, text }) => {
      this.#known.set(name, text);
      void keep(name, text).catch(() => undefined); // no room, or no storage: until the page is left
    });
  }

  /** The text of one; null where this browser has none, undefined until that is known. */
  find(name: string): string | null | undefined {
    if (!this.#asked.has(name)) {
      this.#asked.add(name);
      void recall(name).catch(() => null).then((text) => {
        if (!this.#known.get(name)) this.#known.set(name, text);
      });
    }
    return this.#known.get(name);
  }
}

async function keep(name: string, text: string): Promise<void> {
  await (await caches.open(STORE)).put(`/scripts/${name}.js`, new Response(text));
}

async function recall(name: string): Promise<string | null> {
  const found = "caches" in globalThis ? await (await caches.open(STORE)).match(`/scripts/${name}.js`) : undefined;
  return found === undefined ? null : found.text();
}
