/** What the page says of nodes that are away, in words. */

import { formatAge } from "./format";

/** "on shed, which is away" */
export function awayMark(node: string): string {
  return `on ${node}, which is away`;
}

/** "Not complete: node shed is away; what it holds is left out." */
export function incomplete(nodes: string[]): string {
  const last = nodes.at(-1) ?? "";
  if (nodes.length === 1) return `Not complete: node ${last} is away; what it holds is left out.`;
  return `Not complete: nodes ${nodes.slice(0, -1).join(", ")} and ${last} are away; what they hold is left out.`;
}

/** "Not current: a copy answered, as it was 3 min ago; its owner is away." */
export function outdated(moment: string, now: number): string {
  return `Not current: a copy answered, as it was ${formatAge(moment, now)}; its owner is away.`;
}

/** "Not current: as it was seen 3 min ago; the cluster is out of reach." */
export function remembered(moment: string, now: number): string {
  return `Not current: as it was seen ${formatAge(moment, now)}; the cluster is out of reach.`;
}

/** The earlier of two moments since which something may have changed; "" is none. */
export function earlier(one: string, other: string): string {
  return one === "" || (other !== "" && other < one) ? other : one;
}
