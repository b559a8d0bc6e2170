/** How much this browser keeps for the page, how much it may, and whether it may clear it. It is asked to keep it at the
 *  first write: sooner, browsers that ask their user would ask a stranger. */

import type { Port } from "../port";
import { recall, remember } from "./memory";

const ASKED = "persist-asked";
const AGAIN = 7 * 86_400_000; // ms: a browser that decides by itself may decide otherwise later
const SETTLE = 2_000;

export class BrowserStorage {
  /** Null: not known. */
  persisted = $state<boolean | null>(null);
  usage = $state(0);
  quota = $state(0);
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(port: Port) {
    port.on("features", () => void this.look());
    port.on("change", ({ where }) => {
      if (where === "local") this.#written();
    });
  }

  async look(): Promise<void> {
    try {
      const [persisted, { usage = 0, quota = 0 }] = await Promise.all([navigator.storage.persisted(), navigator.storage.estimate()]);
      [this.persisted, this.usage, this.quota] = [persisted, usage, quota];
    } catch {
      this.persisted = null; // a browser that does not tell
    }
  }

  /** Ask the browser to keep what is here until its user removes it; whether it will. */
  async persist(): Promise<boolean> {
    remember(ASKED, String(Date.now()));
    try {
      await navigator.storage.persist();
    } catch {
      // it has no such thing
    }
    await this.look();
    return this.persisted === true;
  }

  #written(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      const asked = Number(recall(ASKED) ?? 0);
      void (this.persisted === true || Date.now() - asked < AGAIN ? this.look() : this.persist());
    }, SETTLE);
  }
}
