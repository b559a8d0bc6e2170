/** Versions on a line of time: where each stands, which one is meant at a place, and what is written below. */

export interface Moment {
  version: number;
  /** Milliseconds. */
  time: number;
}

/** A part of the time, and so of the line. */
export interface Stretch {
  from: number;
  to: number;
}

/** All of the time in which there were versions; never empty. */
export function stretchOf(moments: readonly Moment[]): Stretch {
  const times = moments.map(({ time }) => time);
  const [from, to] = [Math.min(...times), Math.max(...times)];
  return to > from ? { from, to } : { from: from - 500, to: from + 500 };
}

/** Where a time is, from 0 to 1; below and above it is beside the line. */
export function placeOf(time: number, { from, to }: Stretch): number {
  return (time - from) / (to - from);
}

/** The index of the moment that is nearest to a place; of those at one and the same, the newest. */
export function nearest(moments: readonly Moment[], place: number, stretch: Stretch): number {
  let found = 0;
  let distance = Infinity;
  for (const [at, { time }] of moments.entries()) {
    const away = Math.abs(placeOf(time, stretch) - place);
    if (away <= distance) [found, distance] = [at, away];
  }
  return found;
}

/** The stretch of two moments with a little around it, so that what was close together comes apart. */
export function around(one: Moment, other: Moment, whole: Stretch): Stretch {
  const [from, to] = [Math.min(one.time, other.time), Math.max(one.time, other.time)];
  const margin = Math.max((to - from) * 0.25, 500);
  return { from: Math.max(whole.from, from - margin), to: Math.min(whole.to, to + margin) };
}

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const STEPS = [1, 5, 15, 30, 60, 300, 900, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600].map((seconds) => seconds * 1000).concat([1, 2, 7, 14, 30, 90, 180, 365, 730, 1825].map((days) => days * DAY));

/** Some round moments of the local time in a stretch, with what is written at each: the time of day, or the day. */
export function ticksOf({ from, to }: Stretch, most = 6): { time: number; text: string }[] {
  const step = STEPS.find((each) => (to - from) / each <= most) ?? (to - from) / most;
  const shift = new Date(from).getTimezoneOffset() * MINUTE;
  const day: Intl.DateTimeFormatOptions = to - from > 300 * DAY ? { year: "numeric", month: "short" } : { day: "numeric", month: "short" };
  const format = new Intl.DateTimeFormat("en-GB", step >= DAY ? day : { hour: "2-digit", minute: "2-digit", ...(step < MINUTE ? { second: "2-digit" } : {}) });
  const ticks = [];
  for (let time = Math.ceil((from - shift) / step) * step + shift; time <= to; time += step) ticks.push({ time, text: format.format(time) });
  if (ticks.length > 1) return ticks;
  const whole = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit" });
  return [{ time: from, text: whole.format(from) }];
}
