import { describe, expect, test } from "vitest";
import { fromDateInput, toDateInput } from "./date";

const ROUND = [
  ["date", "date(2026, 1, 31)", "2026-01-31"],
  ["date", "date(987, 12, 1)", "0987-12-01"],
  ["datetime", "datetime(2026, 1, 31, 10, 20)", "2026-01-31T10:20:00"],
  ["datetime", "datetime(2026, 1, 31, 0, 0)", "2026-01-31T00:00:00"],
  ["datetime", "datetime(2026, 1, 31, 10, 20, 30)", "2026-01-31T10:20:30"],
  ["datetime", "datetime(2026, 1, 31, 10, 20, 0, 500000)", "2026-01-31T10:20:00.500"],
  ["datetime", "datetime(2026, 1, 31, 10, 20, 30, tzinfo=timezone.utc)", "2026-01-31T10:20:30"],
  ["datetime", "datetime(2026, 1, 31, 10, 20, tzinfo=timezone(timedelta(seconds=7200)))", "2026-01-31T10:20:00"],
] as const;

describe("dates go to an input and back unchanged", () => {
  test.each(ROUND)("%s %s", (kind, text, value) => {
    const input = toDateInput(kind, text);
    expect(input?.value).toBe(value);
    expect(fromDateInput(kind, value, input?.zone ?? "")).toBe(text);
  });
});

test("what an input would lose stays text", () => {
  expect(toDateInput("datetime", "datetime(2026, 1, 31, 10, 20, 30, 123456)")).toBeNull();
  expect(toDateInput("date", "None")).toBeNull();
});

test("an input without seconds, or emptied", () => {
  expect(fromDateInput("datetime", "2026-01-31T10:20", "")).toBe("datetime(2026, 1, 31, 10, 20)");
  expect(fromDateInput("date", "", "")).toBe("");
  expect(toDateInput("date", "")).toEqual({ value: "", zone: "" });
});
