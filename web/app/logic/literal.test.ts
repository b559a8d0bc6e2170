import { describe, expect, test } from "vitest";
import { checkLiteral, checkText } from "./literal";

describe("numbers keep Python's spelling", () => {
  test.each(["0", "12", "-3", "1_000", "0xFF", "0b101", "00"])("%s is an int", (text) => {
    expect(checkText("int", text)).toBeNull();
  });
  test.each(["", "1.0", "012", "1__0", "ten", "1e3"])("%s is no int", (text) => {
    expect(checkText("int", text)).not.toBeNull();
  });
  test.each(["3", "3.0", ".5", "3.", "-1e-3", "1_0.5", "inf", "-nan"])("%s is a float", (text) => {
    expect(checkText("float", text)).toBeNull();
  });
  test.each(["", ".", "1,5", "abc", "1e"])("%s is no float", (text) => {
    expect(checkText("float", text)).not.toBeNull();
  });
});

describe("literals", () => {
  test.each(["[1, 2]", "{'a': [1, (2, 3)]}", "None", '"it\'s"', "'''two\nlines'''", "['#'] # ]", "'\\''"])("%s", (text) => {
    expect(checkLiteral(text)).toBeNull();
  });
  test("what is wrong is named", () => {
    expect(checkLiteral("[1, 2")).toMatch(/closing \] is missing/);
    expect(checkLiteral("[1, 2)]")).toMatch(/\) closes nothing/);
    expect(checkLiteral("['a")).toMatch(/closing quote/);
    expect(checkLiteral("")).toMatch(/value/);
  });
});

test("a date must be chosen; None is the class's affair", () => {
  expect(checkText("date", "")).toMatch(/date/);
  expect(checkText("date", "date(2026, 1, 31)")).toBeNull();
  expect(checkText("int", "None")).toBeNull();
});
