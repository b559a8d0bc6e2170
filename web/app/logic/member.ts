/** What the page says of a node of the cluster, in words. */

import type { CopyView, Member } from "../../protocol";

/** How good that is, as in the status line. */
export type Level = "good" | "caution" | "bad";

export function levelOf(member: Member): Level {
  return member.state === "here" ? "good" : member.state === "unreachable" ? "caution" : "bad";
}

/** Its state in a few words; `age` is how long it has been so, "" if that is not known. */
export function standing(member: Member, age: string): string {
  if (member.state === "unjoined") return "nothing answers here; it is tried again";
  if (member.state === "unreachable") return "cut off from this node; others reach it";
  const verb = member.state === "away" ? "away" : "here";
  return age === "" ? verb : member.state === "away" ? `away, noticed ${age}` : `started ${age}`;
}

/** The versions that it runs: "Python 3.11.7 · Emerge 0.1.0". */
export function software(member: Member): string {
  return [member.python && `Python ${member.python}`, member.version && `Emerge ${member.version}`].filter(Boolean).join(" · ");
}

/** "2 nodes, 1 away": those that are not here are counted by what they are. */
export function counted(members: Member[]): string {
  const nodes = members.filter(({ state }) => state !== "unjoined");
  const parts = [`${nodes.length} ${nodes.length === 1 ? "node" : "nodes"}`];
  for (const state of ["unreachable", "away", "unjoined"] as const) {
    const count = members.filter((member) => member.state === state).length;
    if (count > 0) parts.push(`${count} ${state}`);
  }
  return parts.join(", ");
}

/** How good a copy is: "the same", "3 commits behind", "away since …, then 3 commits behind". `age` is of its `as_of`. */
export function standingOf({ away, behind, same }: CopyView, age: string): string {
  const late = behind < 0 ? "" : behind === 0 ? "up to date" : `${behind.toLocaleString("en")} ${behind === 1 ? "commit" : "commits"} behind`;
  if (away) return ["away", age && `heard last ${age}`, behind > 0 ? late : ""].filter(Boolean).join(", ");
  return same && behind <= 0 ? "the same" : late || "not known";
}
