import { expect, test } from "vitest";
import { shownName } from "./name";

test("a control of direction is seen, and all else stays", () => {
  expect(shownName("invoice\u202efdp.exe")).toBe("invoice⟨U+202E⟩fdp.exe");
  for (let code = 0x20; code < 0x3000; code++) {
    const name = `a${String.fromCharCode(code)}b`;
    // Unicode's own list of these controls
    expect(shownName(name) !== name, code.toString(16)).toBe(/\p{Bidi_Control}/u.test(name));
  }
});
