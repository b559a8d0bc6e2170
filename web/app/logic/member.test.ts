import { expect, test } from "vitest";
import type { Member } from "../../protocol";
import { counted, levelOf, software, standing, standingOf } from "./member";

const desk: Member = { node: "desk", rpc: "tcp://h:1", self: true, state: "here", volumes: ["/"], since: "2026-11-29T20:00:00Z", version: "0.1.0", python: "3.11.7", error: "" };
const away: Member = { ...desk, node: "shed", self: false, state: "away", version: "", python: "" };

test("a node's state is told in words", () => {
  expect(standing(desk, "5 min ago")).toBe("started 5 min ago");
  expect(standing(desk, "")).toBe("here");
  expect(standing(away, "just now")).toBe("away, noticed just now");
  expect(standing(away, "")).toBe("away");
  expect(standing({ ...away, state: "unreachable" }, "5 min ago")).toContain("others reach it");
  expect(standing({ ...away, state: "unjoined", node: "" }, "")).toContain("tried again");
});

test("each state has its own weight", () => {
  expect([desk, { ...desk, state: "unreachable" as const }, away].map(levelOf)).toEqual(["good", "caution", "bad"]);
});

test("what is not known of a node is left out", () => {
  expect(software(desk)).toBe("Python 3.11.7 · Emerge 0.1.0");
  expect(software(away)).toBe("");
});

test("nodes are counted, and those that are not here by what they are", () => {
  expect(counted([desk])).toBe("1 node");
  expect(counted([desk, away, { ...away, state: "unjoined" }])).toBe("2 nodes, 1 away, 1 unjoined");
});

test.each([
  [{ away: false, behind: 0, same: true }, "the same"],
  [{ away: false, behind: 1, same: false }, "1 commit behind"],
  [{ away: false, behind: 2500, same: false }, "2,500 commits behind"],
  [{ away: true, behind: 3, same: false }, "away, heard last 2 min ago, 3 commits behind"],
  [{ away: true, behind: -1, same: false }, "away, heard last 2 min ago"],
  [{ away: false, behind: -1, same: false }, "not known"],
])("a copy stands so: %o", (copy, words) => {
  expect(standingOf({ node: "n", as_of: "", ...copy }, copy.away ? "2 min ago" : "")).toBe(words);
});
