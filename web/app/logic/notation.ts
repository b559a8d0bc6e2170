/** Decimals, UUIDs and durations between Python's literal text, `Decimal('1.50')`, and what one types: `1.50`. Exactly,
 *  or not at all: what has no such text is edited as Python text. */

import { readString } from "./value";

export interface Notation {
  /** What an input shows of a literal; null where it is written otherwise. */
  read: (literal: string) => string | null;
  /** The literal of what was typed; null if it is none. */
  write: (typed: string) => string | null;
  /** What to type. */
  hint: string;
}

const NUMBER = /^[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|inf|infinity|s?nan\d*)$/i;
const HEX = /^[\da-f]{32}$/;
const CLOCK = /^(?:([+-]?\d+) *(?:d|days?),? +)?([+-]?)(\d+):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?$/i;
const SPAN = /^([+-]?\d+(?:, *-?\d+){0,2})$/;
const DAY = 86_400_000_000n;
const SECOND = 1_000_000n;
const UNITS: [RegExp, bigint][] = [
  [/^(w|weeks?)$/, 7n * DAY],
  [/^(d|days?)$/, DAY],
  [/^(h|hours?)$/, 3600n * SECOND],
  [/^(m|min|minutes?)$/, 60n * SECOND],
  [/^(s|sec|seconds?)$/, SECOND],
  [/^(ms|milliseconds?)$/, 1000n],
  [/^(µs|μs|us|microseconds?)$/, 1n],
];
const PLACES: Record<string, bigint> = { days: DAY, seconds: SECOND, microseconds: 1n };
const LARGEST = 999_999_999n;

export const NOTATIONS: Record<string, Notation> = {
  Decimal: { read: (literal) => quoted("Decimal", literal, (text) => NUMBER.test(text)), write: (typed) => (NUMBER.test(typed.trim()) ? `Decimal('${typed.trim()}')` : null), hint: "A decimal number, such as 12.50 or 1E-8." },
  UUID: { read: (literal) => quoted("UUID", literal, (text) => writeUuid(text) === `UUID('${text}')`), write: writeUuid, hint: "A UUID, such as 6f1c2a9e-0d4b-4c58-9a53-2f7e8b1d0c3a." },
  timedelta: { read: readSpan, write: writeSpan, hint: "A duration, such as 1:30:00, 90 min, 2.5 h or 3 days, 4:00:00." },
};

function quoted(name: string, literal: string, fits: (text: string) => boolean): string | null {
  const inner = literal.startsWith(`${name}(`) && literal.endsWith(")") ? readString(literal.slice(name.length + 1, -1).trim()) : null;
  return inner !== null && fits(inner) ? inner : null;
}

function writeUuid(typed: string): string | null {
  const digits = typed.trim().toLowerCase().replace(/^urn:uuid:/, "").replace(/[{}-]/g, "");
  return HEX.test(digits) ? `UUID('${digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-")}')` : null;
}

/** As Python's `str`, which tables show; but what is below zero as one negative time, not as days and their opposite. */
function readSpan(literal: string): string | null {
  const args = /^(?:datetime\.)?timedelta\((.*)\)$/.exec(literal)?.[1];
  if (args === undefined) return null;
  let micro = 0n;
  if (SPAN.test(args)) for (const [at, each] of args.split(",").entries()) micro += BigInt(each.trim()) * ([DAY, SECOND, 1n][at] as bigint);
  else {
    for (const each of args.split(",")) {
      const part = /^ *(days|seconds|microseconds)=(-?\d+) *$/.exec(each);
      if (part === null) return null;
      micro += BigInt(part[2] as string) * (PLACES[part[1] as string] as bigint);
    }
  }
  const size = micro < 0n ? -micro : micro;
  const days = micro < 0n ? 0n : size / DAY;
  const seconds = (size - days * DAY) / SECOND;
  const rest = size % SECOND;
  const clock = `${seconds / 3600n}:${pad((seconds / 60n) % 60n)}:${pad(seconds % 60n)}${rest > 0n ? `.${pad(rest, 6)}` : ""}`;
  return `${micro < 0n ? "-" : ""}${days > 0n ? `${days} day${days > 1n ? "s" : ""}, ` : ""}${clock}`;
}

function writeSpan(typed: string): string | null {
  const micro = spanOf(typed.trim());
  if (micro === null) return null;
  const days = (micro - (((micro % DAY) + DAY) % DAY)) / DAY;
  const [seconds, rest] = [(micro - days * DAY) / SECOND, (micro - days * DAY) % SECOND];
  if (days > LARGEST || days < -LARGEST) return null;
  const parts = [["days", days], ["seconds", seconds], ["microseconds", rest]].filter(([, count]) => count !== 0n);
  return `timedelta(${parts.length === 0 ? "0" : parts.map(([name, count]) => `${name}=${count}`).join(", ")})`;
}

/** Microseconds; null if it is no duration, or none to the microsecond. */
function spanOf(text: string): bigint | null {
  const clock = CLOCK.exec(text);
  if (clock !== null) {
    const [, days, sign, hours = "", minutes = "", seconds = "0", part = ""] = clock;
    if ((days !== undefined && (sign !== "" || Number(hours) > 23)) || Number(minutes) > 59 || Number(seconds) > 59) return null;
    const time = (BigInt(hours) * 3600n + BigInt(minutes) * 60n + BigInt(seconds)) * SECOND + BigInt(part.padEnd(6, "0"));
    return BigInt(days ?? "0") * DAY + (sign === "-" ? -time : time); // as Python: the sign is that of the days alone
  }
  if (/^[+-]?0$/.test(text)) return 0n;
  const pieces = [...text.matchAll(/([+-]?)(\d*)(?:\.(\d+))? *([a-zµμ]+),? */giy)];
  if (pieces.length === 0 || pieces.map(([piece]) => piece).join("") !== text || (pieces.length > 1 && /[+-]/.test(text))) return null;
  let micro = 0n;
  for (const [, sign, whole = "", part = "", name = ""] of pieces) {
    const unit = UNITS.find(([names]) => names.test(name.toLowerCase()))?.[1];
    const scaled = unit === undefined || whole + part === "" ? null : BigInt(whole + part) * unit;
    const scale = 10n ** BigInt(part.length);
    if (scaled === null || scaled % scale !== 0n) return null;
    micro += (sign === "-" ? -scaled : scaled) / scale;
  }
  return micro;
}

function pad(value: bigint, width = 2): string {
  return String(value).padStart(width, "0");
}
