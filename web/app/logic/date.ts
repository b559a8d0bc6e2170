/** Dates between Python's literal text, `datetime(2026, 1, 31, 10, 20, tzinfo=timezone.utc)`, and the inputs of a page. */

export type DateKind = "date" | "datetime";

export interface DateInput {
  /** What an input of type date or datetime-local holds. */
  value: string;
  /** The text of the time zone's expression, kept as it is; "" for none. */
  zone: string;
}

const DATE = /^(?:datetime\.)?date\((\d+), *(\d+), *(\d+)\)$/;
const DATETIME = /^(?:datetime\.)?datetime\((\d+(?:, *\d+){2,6})(?:, *tzinfo=(.+))?\)$/;

/** The text as an input can show it; null when it cannot without losing something (then it is edited as text). */
export function toDateInput(kind: DateKind, text: string): DateInput | null {
  if (text === "") return { value: "", zone: "" };
  const match = (kind === "date" ? DATE : DATETIME).exec(text.trim());
  if (match === null) return null;
  const numbers = kind === "date" ? match.slice(1, 4).map(Number) : (match[1] as string).split(",").map(Number);
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, micro = 0] = numbers;
  if (micro % 1000 !== 0) return null; // inputs know milliseconds at best
  const date = `${pad(year, 4)}-${pad(month)}-${pad(day)}`;
  if (kind === "date") return { value: date, zone: "" };
  const fraction = micro > 0 ? `.${pad(micro / 1000, 3)}` : "";
  return { value: `${date}T${pad(hour)}:${pad(minute)}:${pad(second)}${fraction}`, zone: match[2] ?? "" };
}

/** The literal text for what an input holds, as Python itself would show it. */
export function fromDateInput(kind: DateKind, value: string, zone: string): string {
  const match = /^(\d+)-(\d+)-(\d+)(?:T(\d+):(\d+)(?::(\d+)(?:\.(\d+))?)?)?$/.exec(value);
  if (match === null) return "";
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map((part) => Number(part ?? 0));
  if (kind === "date") return `date(${year}, ${month}, ${day})`;
  const micro = Number((match[7] ?? "").padEnd(6, "0"));
  const rest = micro > 0 ? [second, micro] : second ? [second] : [];
  const zoned = zone === "" ? "" : `, tzinfo=${zone}`;
  return `datetime(${[year, month, day, hour, minute, ...rest].join(", ")}${zoned})`;
}

/** A zone's expression as one reads it: UTC, or the expression. */
export function readZone(zone: string): string {
  return zone === "timezone.utc" ? "UTC" : zone;
}

function pad(value: number, width = 2): string {
  return String(value).padStart(width, "0");
}
