/** What the app needs of the kernel. */

import type { Event, Where } from "../protocol";
import type { Kernel } from "../kernel";

export type { KernelState } from "../kernel";

export type Port = Pick<Kernel, "call" | "give" | "take" | "on" | "interrupt" | "restart" | "hurry" | "interruptible" | "apart">;
export type Features = Extract<Event, { event: "features" }>;

/** Directories are listed in pages of this many entries. */
export const PAGE = 500;

export function otherPlace(where: Where): Where {
  return where === "local" ? "cluster" : "local";
}
