/** What failed for want of its place is asked for again when that is back. What was done meanwhile is not done twice: see
 *  web/deeds.ts. */

import { untrack } from "svelte";
import type { Failure, Where } from "../../protocol";
import type { Session } from "./session.svelte";

/** Milliseconds until it is asked again where the place is within reach: the answer alone was lost. Then twice as long. */
const PAUSE = 500;
/** So often in a minute. */
const MOST = 2;

/** Repeat what failed since a place could not be reached, once all that it needs are back. Use it in a component's script.
 *  @returns whether that is waited for */
export function repeatWhenBack(session: Session, places: () => Where[], failure: () => Failure | null, repeat: () => unknown): { readonly waits: boolean } {
  const open = $derived(failure()?.code === "Unavailable");
  const waits = $derived(open && places().some((where) => session.reach(where) !== "up"));
  let asked = 0;
  let last = 0;
  $effect(() => {
    if (waits || Date.now() - last > 60_000) asked = 0;
    if (!open || waits || asked >= MOST) return;
    const timer = setTimeout(() => untrack(repeat), asked === 0 ? 0 : PAUSE * 2 ** asked);
    asked += 1;
    last = Date.now();
    return () => clearTimeout(timer);
  });
  return {
    get waits() {
      return waits;
    },
  };
}
