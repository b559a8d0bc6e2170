/** What a dialog was asked to do, until it is known to be done. It has one id however often it is asked for, so that what was
 *  done without an answer is answered then, and not done twice. */

import { untrack } from "svelte";
import type { Failure, Where } from "../../protocol";
import type { Session } from "./session.svelte";

export interface KeptAttempt {
  key: string;
  id: string;
}

export class Attempt {
  kept: KeptAttempt;

  constructor(kept: KeptAttempt = { key: "", id: "" }) {
    this.kept = kept;
  }

  /** The id of this deed; of another one, if something about it was changed. */
  of(deed: unknown): string {
    const key = JSON.stringify(deed);
    if (key !== this.kept.key) this.kept = { key, id: crypto.randomUUID() };
    return this.kept.id;
  }
}

/** Repeat what failed since its place could not be reached, once that is back. Use it in a component's script.
 *  @returns whether that is waited for */
export function repeatWhenBack(session: Session, where: () => Where, failure: () => Failure | null, repeat: () => unknown): { readonly waits: boolean } {
  const waits = $derived(failure()?.code === "Unavailable" && session.reach(where()) !== "up");
  let waited = false;
  $effect(() => {
    if (waits) waited = true;
    else if (waited) {
      waited = false;
      if (failure()?.code === "Unavailable") untrack(repeat);
    }
  });
  return {
    get waits() {
      return waits;
    },
  };
}
