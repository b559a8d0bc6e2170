/** What the page says of nodes that are away, in words. */

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
