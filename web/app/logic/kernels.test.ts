import { expect, test } from "vitest";
import { wantsTwoKernels } from "./kernels";

test.each([
  [null, undefined, true],
  [null, 8, true],
  [null, 2, false],
  [null, 0.5, false],
  ["2", 1, true],
  ["1", 8, false],
  ["many", 8, true],
])("wanted %s with %s GiB: %s", (wanted, memory, two) => {
  expect(wantsTwoKernels(wanted, memory)).toBe(two);
});
