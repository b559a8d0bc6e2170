/** Ending a run: asked for first; a loop in this tab, which hears nothing, is interrupted. */

import type { Port } from "../port";

const PATIENCE = 700; // ms

export function stopRun(port: Port, run: number, here: boolean, under: () => boolean): void {
  port.call("cancel", { run }).catch(() => undefined); // with the kernel gone it has ended
  if (!here) return;
  setTimeout(() => {
    if (under() && !port.apart) port.interrupt(); // a kernel of their own is interrupted by the page's
  }, PATIENCE);
}
