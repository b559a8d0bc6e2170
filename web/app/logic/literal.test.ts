import { describe, expect, test } from "vitest";
import { checkLiteral, checkText, fromDateInput, toDateInput } from "./literal";

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

describe("dates", () => {
  test("go to an input and back with their zone", () => {
    const text = "2026-01-31T10:20:30+02:00";
    const { value, zone } = toDateInput("datetime", text);
    expect(value).toBe("2026-01-31T10:20:30");
    expect(fromDateInput("datetime", value, zone)).toBe(text);
    expect(toDateInput("date", "2026-01-31").value).toBe("2026-01-31");
  });
  test("a minute without seconds gets them", () => {
    expect(fromDateInput("datetime", "2026-01-31T10:20", "Z")).toBe("2026-01-31T10:20:00Z");
  });
  test("what is no date is empty", () => {
    expect(toDateInput("date", "soon")).toEqual({ value: "", zone: "" });
    expect(checkText("date", "soon")).not.toBeNull();
  });
});
