import { expect, test } from "vitest";
import { around, nearest, placeOf, stretchOf, ticksOf, type Moment } from "./timeline";

/** Versions with gaps of milliseconds to months, the same in each run. */
function history(seed: number): Moment[] {
  let state = seed;
  const next = (below: number): number => (state = (state * 48271) % 2147483647) % below;
  let time = 1.7e12;
  return Array.from({ length: 2 + next(40) }, (_, at) => {
    time += next(2) === 0 ? next(5) : next(5e9);
    return { version: at + 1, time };
  });
}

test("versions stand in their order, and the one at a place is the one that stands there", () => {
  for (let seed = 1; seed < 200; seed += 1) {
    const moments = history(seed);
    const whole = stretchOf(moments);
    const places = moments.map(({ time }) => placeOf(time, whole));
    expect(places.every((place) => place >= 0 && place <= 1)).toBe(true);
    expect(places).toEqual([...places].sort((one, other) => one - other));
    for (const [at, place] of places.entries()) expect(nearest(moments, place, whole)).toBe(places.lastIndexOf(places[at] ?? 0));
    expect(nearest(moments, -3, whole)).toBe(places.lastIndexOf(places[0] ?? 0));
    expect(nearest(moments, 4, whole)).toBe(moments.length - 1);
  }
});

test("what is zoomed to is in sight, and further apart", () => {
  for (let seed = 1; seed < 200; seed += 1) {
    const moments = history(seed);
    const whole = stretchOf(moments);
    const [one, other] = [moments[0], moments[1]] as [Moment, Moment];
    const part = around(one, other, whole);
    for (const { time } of [one, other]) expect(placeOf(time, part) >= 0 && placeOf(time, part) <= 1).toBe(true);
    expect(part.to - part.from).toBeLessThanOrEqual(whole.to - whole.from);
    expect(part.to).toBeGreaterThan(part.from);
  }
});

test("some round moments are written, and none beside the line", () => {
  for (let span = 1000; span < 4e11; span *= 1.7) {
    const stretch = { from: 1.7e12, to: 1.7e12 + span };
    const ticks = ticksOf(stretch);
    expect(ticks.length).toBeLessThanOrEqual(7);
    expect(ticks.every(({ time }) => time >= stretch.from && time <= stretch.to)).toBe(true);
  }
  expect(stretchOf([{ version: 1, time: 5 }])).toEqual({ from: -495, to: 505 });
});
