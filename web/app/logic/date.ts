/** Days, moments and times between Python's literal text, `datetime(2026, 1, 31, 10, 20, tzinfo=timezone.utc)`, and the
 *  inputs of a page, exactly: what an input does not know stands beside it. */

export type DateKind = "date" | "datetime" | "time";

export interface DateInput {
  /** What an input of type date, datetime-local or time holds: to the second. */
  value: string;
  /** Microseconds within the second, which no input knows. */
  micro: number;
  /** What is said of the time zone, `tzinfo=timezone.utc`, and of the fold, kept as it is; "" for nothing. */
  rest: string;
}

export const UTC = "tzinfo=timezone.utc";

const DATE = /^(?:datetime\.)?date\((\d+), *(\d+), *(\d+)\)$/;
const DATETIME = /^(?:datetime\.)?datetime\((\d+(?:, *\d+){2,6})(?:, *((?:tzinfo|fold)=.+))?\)$/;
const TIME = /^(?:datetime\.)?time\((\d+(?:, *\d+){0,3})(?:, *((?:tzinfo|fold)=.+))?\)$/;
const LEAST: Record<DateKind, number> = { date: 3, datetime: 5, time: 2 };

/** The text as inputs can show it; null when they cannot without losing something (then it is edited as text). */
export function toDateInput(kind: DateKind, text: string): DateInput | null {
  if (text === "") return { value: "", micro: 0, rest: "" };
  const match = { date: DATE, datetime: DATETIME, time: TIME }[kind].exec(text.trim());
  if (match === null) return null;
  const numbers = kind === "date" ? match.slice(1, 4).map(Number) : (match[1] as string).split(",").map(Number);
  const rest = kind === "date" ? "" : (match[2] ?? "");
  const [hour = 0, minute = 0, second = 0, micro = 0] = kind === "time" ? numbers : numbers.slice(3);
  const day = kind === "time" ? "" : `${pad(numbers[0] ?? 0, 4)}-${pad(numbers[1] ?? 0)}-${pad(numbers[2] ?? 0)}`;
  const time = kind === "date" ? "" : `${pad(hour)}:${pad(minute)}:${pad(second)}`;
  return { value: kind === "datetime" ? `${day}T${time}` : day + time, micro, rest };
}

/** The literal text for what inputs hold, as Python itself would show it; "" where a part is missing. */
export function fromDateInput(kind: DateKind, { value, micro, rest }: DateInput): string {
  const match = /^(?:(\d+)-(\d+)-(\d+))?(?:T?(\d+):(\d+)(?::(\d+))?(?:\.\d+)?)?$/.exec(value);
  if (match === null || value === "") return "";
  const parts = match.slice(1, 7).map((part) => Number(part ?? 0));
  const numbers = kind === "date" ? parts.slice(0, 3) : [...(kind === "time" ? parts.slice(3) : parts), micro];
  while (numbers.length > LEAST[kind] && numbers.at(-1) === 0) numbers.pop();
  return `${kind}(${[...numbers, ...(rest === "" ? [] : [rest])].join(", ")})`;
}

/** What is said of the zone as one reads it: UTC, UTC+02:00, Europe/Berlin, or as it stands. */
export function readZone(rest: string): string {
  const zone = rest.replace(/^tzinfo=/, "").replace(/^ZoneInfo\((?:key=)?(['"])([\w/+-]+)\1\)/, "$2");
  if (zone === "timezone.utc") return "UTC";
  const offset = /^timezone\(timedelta\((?:days=(-1), *)?seconds=(\d+)\)\)$/.exec(zone);
  if (offset === null) return zone;
  const seconds = Number(offset[2]) + (offset[1] === undefined ? 0 : -86_400);
  const [size, left] = [Math.abs(seconds), Math.abs(seconds) % 60];
  return `UTC${seconds < 0 ? "-" : "+"}${pad(Math.floor(size / 3600))}:${pad(Math.floor(size / 60) % 60)}${left > 0 ? `:${pad(left)}` : ""}`;
}

function pad(value: number, width = 2): string {
  return String(value).padStart(width, "0");
}
