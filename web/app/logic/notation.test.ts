import { describe, expect, test } from "vitest";
import { NOTATIONS, type Notation } from "./notation";

const [DECIMAL, UUID, SPAN] = ["Decimal", "UUID", "timedelta"].map((name) => NOTATIONS[name] as Notation) as [Notation, Notation, Notation];

/** Numbers that come again in each run. */
function* dice(seed: number): Generator<(below: number) => number> {
  let state = seed;
  const next = (below: number): number => (state = (state * 48271) % 2147483647) % below;
  for (let count = 0; count < 500; count += 1) yield next;
}

const digits = (next: (below: number) => number, count: number): string => Array.from({ length: count }, () => next(10)).join("");

/** As Python's repr writes them. */
const LITERALS: [string, Notation, (next: (below: number) => number) => string][] = [
  ["Decimal", DECIMAL, (next) => `Decimal('${["", "-"][next(2)]}${["NaN", "Infinity", "sNaN", "0", "0E-7", digits(next, 1 + next(40)), `${digits(next, 1 + next(9))}.${digits(next, 1 + next(30))}`, `${digits(next, 1)}.${digits(next, 3)}E${["+", "-"][next(2)]}${digits(next, 2)}`][next(8)]}')`],
  ["UUID", UUID, (next) => `UUID('${[8, 4, 4, 4, 12].map((count) => Array.from({ length: count }, () => next(16).toString(16)).join("")).join("-")}')`],
  [
    "timedelta",
    SPAN,
    (next) => {
      const days = [0, 1, -1, next(40), -next(40), 999_999_999, -999_999_999][next(7)] as number;
      const parts = [["days", days], ["seconds", [0, next(86_400)][next(2)]], ["microseconds", [0, next(1_000_000), 500_000][next(3)]]].filter(([, count]) => count !== 0);
      return `timedelta(${parts.length === 0 ? "0" : parts.map(([name, count]) => `${name}=${count}`).join(", ")})`;
    },
  ],
];

describe.each(LITERALS)("any %s", (_, { read, write, hint }, literal) => {
  test("goes to its input and back unchanged", () => {
    for (const next of dice(hint.length)) {
      const text = literal(next);
      const shown = read(text);
      expect(shown, text).not.toMatch(/^$|\(/);
      expect(write(shown ?? ""), text).toBe(text);
      expect(write(` ${shown} `), text).toBe(text);
    }
  });

  test("that is only half typed, or something else, is no value", () => {
    for (const next of dice(3 + hint.length)) {
      const shown = read(literal(next)) ?? "";
      for (const wrong of ["", " ", "x", `${shown}x`, `${shown}, ${shown}`, `${shown}'`, `'${shown}'`, `${shown}')`, `${shown}\\`]) expect(write(wrong), wrong).toBeNull();
    }
    for (const other of ["None", "1", "'1'", "Decimal(1)", "Decimal('x')", "UUID(int=1)", "timedelta(weeks=1)", "timedelta(a)", "timedelta()"]) expect(read(other)).toBeNull();
  });
});

test("what hints name can be typed", () => {
  for (const { hint, write } of Object.values(NOTATIONS)) for (const example of hint.replace(/^.*such as |\.$/g, "").split(/, (?=\d+ min|2\.5)| or /)) expect(write(example), example).not.toBeNull();
});

test("durations are typed as people write them, exactly to the microsecond", () => {
  for (const [typed, literal] of [
    ["90 min", "timedelta(seconds=5400)"],
    ["1.5h", "timedelta(seconds=5400)"],
    ["1 d 2 h 3 min 4.5 s", "timedelta(days=1, seconds=7384, microseconds=500000)"],
    ["-90 s", "timedelta(days=-1, seconds=86310)"],
    ["-1:30", "timedelta(days=-1, seconds=81000)"],
    ["100:00:00", "timedelta(days=4, seconds=14400)"],
    ["-1 day, 23:59:00", "timedelta(days=-1, seconds=86340)"], // as Python's str writes a minute below zero
    ["2 weeks", "timedelta(days=14)"],
    ["0", "timedelta(0)"],
    ["0.1 µs", null],
    ["1:60", null],
    ["-1 d 2 h", null], // of what would the sign be?
    ["10000000000 d", null],
  ] as const)
    expect(SPAN.write(typed), typed).toBe(literal);
});

test("a UUID is typed with or without its dashes, in capitals, as an URN", () => {
  const made = "UUID('6f1c2a9e-0d4b-4c58-9a53-2f7e8b1d0c3a')";
  for (const typed of ["6F1C2A9E0D4B4C589A532F7E8B1D0C3A", "{6f1c2a9e-0d4b-4c58-9a53-2f7e8b1d0c3a}", "urn:uuid:6f1c2a9e-0d4b-4c58-9a53-2f7e8b1d0c3a"]) expect(UUID.write(typed)).toBe(made);
});
