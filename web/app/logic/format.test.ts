import { expect, test } from "vitest";
import { formatAge, formatBytes, formatCount, formatDate, formatDuration, sentence } from "./format";

test("bytes", () => {
  expect(formatBytes(0)).toBe("0 B");
  expect(formatBytes(999)).toBe("999 B");
  expect(formatBytes(1500)).toBe("1.5 kB");
  expect(formatBytes(99_400_000)).toBe("99 MB");
  expect(formatBytes(999_900)).toBe("1.0 MB");
});

test("durations", () => {
  expect(formatDuration(0.4)).toBe("< 1 ms");
  expect(formatDuration(12.3)).toBe("12 ms");
  expect(formatDuration(1234)).toBe("1.23 s");
  expect(formatDuration(125_000)).toBe("2 min 5 s");
});

test("dates", () => {
  expect(formatDate("")).toBe("");
  expect(formatDate("not a date")).toBe("not a date");
  expect(formatDate("2026-03-01T10:20:30Z")).toMatch(/^2026-0[23]-\d\d \d\d:\d\d:30$/);
  const now = Date.parse("2026-03-01T12:00:00Z");
  expect(formatAge("2026-03-01T11:59:50Z", now)).toBe("just now");
  expect(formatAge("2026-03-01T11:55:00Z", now)).toBe("5 min ago");
  expect(formatAge("2026-03-01T09:00:00Z", now)).toBe("3 h ago");
});

test("counts", () => {
  expect(formatCount(1, "entry", "entries")).toBe("1 entry");
  expect(formatCount(3300, "entry", "entries")).toBe("3,300 entries");
});

test("a reason is a sentence", () => {
  expect(["no relay", "Offline.", "gone?", ""].map(sentence)).toEqual(["No relay.", "Offline.", "Gone?", "."]);
});
