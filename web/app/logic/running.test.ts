import { expect, test } from "vitest";
import type { ObjectView } from "../../protocol";
import { whyNotHere, whyNotThere } from "./running";

const view = (runs: ObjectView["runs"], where: ObjectView["where"] = "cluster"): ObjectView => ({ runs, where }) as ObjectView;

test("here: what the class needs and the kernel allow", () => {
  expect(whyNotHere(view("anywhere"), false, "idle")).toBeNull();
  expect(whyNotHere(view("anywhere"), true, "idle")).toMatch(/read only/);
  expect(whyNotHere(view("node"), false, "idle")).toMatch(/node only/);
  expect(whyNotHere(view("nowhere"), false, "idle")).toMatch(/No class/);
  expect(whyNotHere(view("anywhere"), false, "dead")).toMatch(/restart/);
});

test("there: only for what lives there, while it is in reach", () => {
  expect(whyNotThere(view("node"), false, null)).toBeNull();
  expect(whyNotThere(view("node"), false, "no relay")).toBe("no relay");
  expect(whyNotThere(view("anywhere", "local"), false, null)).toMatch(/this browser/);
});
