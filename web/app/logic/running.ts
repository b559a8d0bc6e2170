/** Where the methods of an object can run, and why not. */

import type { ObjectView } from "../../protocol";
import type { KernelState } from "../port";

let last = 0;

/** A number for a run that no other of this page has. */
export function nextRun(): number {
  return ++last;
}

export function whyNotHere(view: ObjectView, old: boolean, kernel: KernelState): string | null {
  if (old) return "An old version is read only: open the newest to run it.";
  if (view.runs === "nowhere") return "No class came with this object.";
  if (view.runs === "node") return "Its class needs what a browser does not have: it runs on a node only.";
  if (kernel === "dead") return "Python has stopped: restart it.";
  return kernel === "loading" ? "Python is starting." : null;
}

export function whyNotThere(view: ObjectView, old: boolean, outage: string | null): string | null {
  if (old) return "An old version is read only: open the newest to run it.";
  if (view.runs === "nowhere") return "No class came with this object.";
  return view.where === "local" ? "It lives in this browser, so no node can run it." : outage;
}
