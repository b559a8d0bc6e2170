import { describe, expect, test } from "vitest";
import { fromDateInput, readZone, toDateInput, UTC, type DateKind } from "./date";

const NONE = { micro: 0, rest: "" };

/** Numbers that come again in each run. */
function* dice(seed: number): Generator<(below: number) => number> {
  let state = seed;
  const next = (below: number): number => (state = (state * 48271) % 2147483647) % below;
  for (let count = 0; count < 500; count += 1) yield next;
}

/** As Python's repr writes it. */
function literal(kind: DateKind, next: (below: number) => number): string {
  const day = [1 + next(9999), 1 + next(12), 1 + next(28)];
  if (kind === "date") return `date(${day.join(", ")})`;
  const time = [next(24), next(60)];
  const [second, micro] = [[0, next(60)][next(2)] ?? 0, [0, next(1_000_000), 500_000][next(3)] ?? 0];
  if (micro > 0) time.push(second, micro);
  else if (second > 0) time.push(second);
  const zones = ["", "", ", tzinfo=timezone.utc", ", tzinfo=timezone(timedelta(seconds=7200))", ", tzinfo=timezone(timedelta(days=-1, seconds=68400))", ", tzinfo=ZoneInfo('Europe/Berlin')"];
  const fold = next(8) === 0 ? ", fold=1" : "";
  return `${kind}(${[...(kind === "time" ? [] : day), ...time].join(", ")}${zones[next(zones.length)]}${fold})`;
}

describe.each(["date", "datetime", "time"] as const)("any %s", (kind) => {
  test("goes to inputs and back unchanged, to the microsecond and with its zone", () => {
    for (const next of dice(kind.length)) {
      const text = literal(kind, next);
      const input = toDateInput(kind, text);
      expect(input, text).not.toBeNull();
      if (input !== null) expect(fromDateInput(kind, input)).toBe(text);
    }
  });

  test("that is edited keeps what its input does not know", () => {
    for (const next of dice(7 + kind.length)) {
      const [one, other] = [toDateInput(kind, literal(kind, next)), toDateInput(kind, literal(kind, next))];
      if (one === null || other === null) continue;
      const edited = toDateInput(kind, fromDateInput(kind, { ...one, value: other.value }));
      expect(edited).toEqual({ ...one, value: other.value });
    }
  });
});

test("what is no plain date stays text, and an emptied input is nothing", () => {
  expect(toDateInput("date", "None")).toBeNull();
  expect(toDateInput("datetime", "datetime.now()")).toBeNull();
  expect(toDateInput("date", "")).toEqual({ value: "", ...NONE });
  expect(fromDateInput("date", { value: "", ...NONE })).toBe("");
});

test("a browser leaves out seconds that are none, or writes a fraction", () => {
  expect(fromDateInput("datetime", { value: "2026-01-31T10:20", ...NONE })).toBe("datetime(2026, 1, 31, 10, 20)");
  expect(fromDateInput("datetime", { value: "2026-01-31T10:20:05.000", micro: 7, rest: UTC })).toBe(`datetime(2026, 1, 31, 10, 20, 5, 7, ${UTC})`);
  expect(fromDateInput("time", { value: "10:20", ...NONE })).toBe("time(10, 20)");
});

test("zones are read as people write them", () => {
  expect(readZone(UTC)).toBe("UTC");
  expect(readZone("tzinfo=timezone(timedelta(seconds=19800))")).toBe("UTC+05:30");
  expect(readZone("tzinfo=timezone(timedelta(days=-1, seconds=68400))")).toBe("UTC-05:00");
  expect(readZone("tzinfo=ZoneInfo('Europe/Berlin')")).toBe("Europe/Berlin");
});
