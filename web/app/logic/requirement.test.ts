import { expect, test } from "vitest";
import { mergeRequirements, readRequirement } from "./requirement";

const HASH = "0123456789abcdef".repeat(4);

test("a line says a name, a version and a file, or less", () => {
  expect(readRequirement(`Two_Words==1!2.0 --hash=sha256:${HASH}`)).toEqual({ name: "two-words", version: "1!2.0", sha256: HASH });
  expect(readRequirement("pandas>=2")).toEqual({ name: "pandas", version: "", sha256: "" });
  expect(readRequirement("--index-url x")).toBeNull();
});

test("the last line about a package counts, whatever its spelling", () => {
  const old = ["numpy==1", "A.b==1", "pandas>=2"];
  expect(mergeRequirements(old, ["a_b==2", "numpy==2"])).toEqual(["a_b==2", "numpy==2", "pandas>=2"]);
  expect(mergeRequirements(mergeRequirements(old, []), [])).toEqual(mergeRequirements(old, []));
});
