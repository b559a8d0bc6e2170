/** The columns of a table, and how values in them are ordered. */

export interface Column<T> {
  id: string;
  label: string;
  /** What a cell shows, unless the table is given a snippet for its cells. */
  text: (row: T) => string;
  /** What a row is sorted by; without it, by the text. null and undefined come last either way. */
  value?: (row: T) => unknown;
  /** Numbers stand at the right, code in a monospaced face. */
  kind?: "text" | "number" | "code";
  /** Pixels, until the user changes it. */
  size?: number;
  sortable?: boolean;
  /** Of the header. */
  title?: string;
}

export interface Sort {
  id: string;
  descending: boolean;
}

const collator = new Intl.Collator(undefined, { numeric: true });

/** Order two values of a column: numbers as numbers, dates as dates, all else as text in which numbers count. */
export function compareValues(left: unknown, right: unknown): number {
  if (typeof left === "number" && typeof right === "number") return compareNumbers(left, right);
  if (typeof left === "bigint" && typeof right === "bigint") return left < right ? -1 : left > right ? 1 : 0;
  if (typeof left === "boolean" && typeof right === "boolean") return Number(left) - Number(right);
  if (left instanceof Date && right instanceof Date) return compareNumbers(left.getTime(), right.getTime());
  return collator.compare(String(left), String(right));
}

function compareNumbers(left: number, right: number): number {
  if (Number.isNaN(left) || Number.isNaN(right)) return Number(Number.isNaN(left)) - Number(Number.isNaN(right));
  return left < right ? -1 : left > right ? 1 : 0;
}

/** The sort after a click on a header: smallest first, largest first, then as it was. */
export function nextSort(sort: Sort | null, id: string): Sort | null {
  if (sort?.id !== id) return { id, descending: false };
  return sort.descending ? null : { id, descending: true };
}
