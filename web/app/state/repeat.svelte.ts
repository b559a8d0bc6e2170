/** What failed for want of its place is asked for again when that is back. What was done meanwhile is not done twice: see
 *  web/deeds.ts. */

import { untrack } from "svelte";
import type { Failure, Where } from "../../protocol";
import type { Session } from "./session.svelte";

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
