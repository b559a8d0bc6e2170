import { expect, test } from "vitest";
import { incomplete } from "./away";

test.each([
  [["shed"], "Not complete: node shed is away; what it holds is left out."],
  [["barn", "shed"], "Not complete: nodes barn and shed are away; what they hold is left out."],
  [["attic", "barn", "shed"], "Not complete: nodes attic, barn and shed are away; what they hold is left out."],
])("%s", (nodes, said) => {
  expect(incomplete(nodes)).toBe(said);
});
