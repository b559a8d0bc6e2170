/** What a search says of itself, in words. */

import type { SearchErrors } from "../../protocol";
import { formatCount, formatDuration } from "./format";

export const NO_ERRORS: SearchErrors = { count: 0, first: [] };

const TOLD = 10;

export function addErrors(known: SearchErrors, fresh: SearchErrors): SearchErrors {
  return { count: known.count + fresh.count, first: [...known.first, ...fresh.first].slice(0, TOLD) };
}

/** "12 objects · scanned 3,376 · 45 ms": `count` is null while only the first `shown` are known. */
export function summary(shown: number, count: number | null, scanned: number, milliseconds: number): string {
  const found = count === null ? `${formatCount(shown, "object")} and more` : formatCount(count, "object");
  return `${found} · scanned ${scanned.toLocaleString("en")} · ${formatDuration(milliseconds)}`;
}
