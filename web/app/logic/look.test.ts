import { expect, test } from "vitest";
import { histogramOf, readSeries } from "./look";
import { parseValue } from "./value";

const MISSING = ["None", "nan", "inf", "-inf", "Decimal('NaN')", "Decimal('sNaN')", "Decimal('-Infinity')"];

/** Numbers that come again in each run. */
function* dice(seed: number): Generator<(below: number) => number> {
  let state = seed;
  const next = (below: number): number => (state = (state * 48271) % 2147483647) % below;
  for (let count = 0; count < 300; count += 1) yield next;
}

const seriesOf = (items: string[]): ReturnType<typeof readSeries> => readSeries(parseValue(`[${items.join(", ")}]`) ?? { kind: "leaf", text: "" });

test("a series has its numbers in their places, and gaps where one is missing", () => {
  for (const next of dice(5)) {
    const items = Array.from({ length: 3 + next(20) }, () => (next(4) === 0 ? (MISSING[next(MISSING.length)] as string) : [`${next(99)}`, `-${next(9)}.${next(9)}`, `Decimal('${next(99)}.50')`, "1e-05"][next(4)] as string));
    const expected = items.map((item) => (MISSING.includes(item) ? NaN : Number(item.replace(/^Decimal\('(.*)'\)$/, "$1"))));
    for (const pairs of [false, true]) {
      const series = seriesOf(pairs ? items.map((item, at) => `(${at}, ${item})`) : items);
      if (expected.filter(Number.isFinite).length < 3) expect(series).toBeNull();
      else expect(series).toEqual({ x: items.map((_, at) => at), y: expected, pairs });
    }
    expect(seriesOf([...items, "'x'"])).toBeNull();
  }
});

test("a histogram counts each number once", () => {
  for (const next of dice(9)) {
    const numbers = Array.from({ length: 1 + next(200) }, () => next(50) - 25);
    expect(histogramOf(numbers).reduce((sum, { count }) => sum + count, 0)).toBe(numbers.length);
  }
});
