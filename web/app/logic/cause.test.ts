import { expect, test } from "vitest";
import { formatCause, parseCause } from "./cause";

test("what is written is read, whatever the path", () => {
  for (const path of ["/notebooks/x", "/a b/c@3 of local:/d@4", "/ü\n/🙂"]) {
    const cause = { where: "local" as const, path, cell: "ab-1_2", version: 7 };
    expect(parseCause(formatCause(cause))).toEqual(cause);
  }
  for (const text of ["", "mv", "cell x of nowhere:/a@1", "cell x of local:a@1"]) expect(parseCause(text)).toBe(null);
});
