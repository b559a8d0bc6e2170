import { expect, test } from "vitest";
import { earlier, incomplete, outdated } from "./away";

test.each([
  [["shed"], "Not complete: node shed is away; what it holds is left out."],
  [["barn", "shed"], "Not complete: nodes barn and shed are away; what they hold is left out."],
  [["attic", "barn", "shed"], "Not complete: nodes attic, barn and shed are away; what they hold is left out."],
])("%s", (nodes, said) => {
  expect(incomplete(nodes)).toBe(said);
});

test("of a copy's answer the age is told, and of several the oldest", () => {
  const now = Date.parse("2026-11-30T12:00:00Z");
  expect(outdated("2026-11-30T11:57:00+00:00", now)).toBe("Not current: a copy answered, as it was 3 min ago; its owner is away.");
  expect(earlier("", "2026-11-30T11:57:00")).toBe("2026-11-30T11:57:00");
  expect(earlier("2026-11-30T11:57:00", "")).toBe("2026-11-30T11:57:00");
  expect(earlier("2026-11-30T11:58:00", "2026-11-30T11:57:00")).toBe("2026-11-30T11:57:00");
});
