import { expect, test } from "vitest";
import { colourPython } from "./colour";

test("no character is lost, and keywords and strings are known", () => {
  const code = "def f(x):\n    return 'a' + x  # why\n\n";
  const pieces = colourPython(code);
  expect(pieces.map((piece) => piece.text).join("")).toBe(code);
  expect(pieces.find((piece) => piece.text === "return")?.style).toContain("tok-keyword");
  expect(pieces.find((piece) => piece.text === "'a'")?.style).toContain("tok-string");
});
