/** Whatever was thrown, as the Failure that the page shows; and which field a failure is about. */

import type { Failure } from "../../protocol";

export function makeFailure(code: string, message: string, remedy: string | null = null): Failure {
  return { code, message, path: null, remedy, traceback: null };
}

export function toFailure(thrown: unknown): Failure {
  if (isRecord(thrown)) {
    if (isFailure(thrown.failure)) return thrown.failure;
    if (isFailure(thrown)) return readFailure(thrown);
    if (typeof thrown.message === "string") return makeFailure("Error", thrown.message || "something failed");
  }
  return makeFailure("Error", String(thrown));
}

function readFailure(data: Failure): Failure {
  return {
    code: data.code,
    message: data.message,
    path: data.path ?? null,
    remedy: data.remedy ?? null,
    traceback: data.traceback ?? null,
  };
}

function isFailure(data: unknown): data is Failure {
  return isRecord(data) && typeof data.code === "string" && typeof data.message === "string";
}

function isRecord(data: unknown): data is Record<string, unknown> {
  return typeof data === "object" && data !== null;
}

/** The field that a failure names (`/a/b.field` as its path, or the name quoted in the message), or null. */
export function fieldOf(failure: Failure, names: string[]): string | null {
  const byLength = [...names].sort((a, b) => b.length - a.length);
  const tail = failure.path?.slice((failure.path.lastIndexOf("/") ?? -1) + 1) ?? "";
  for (const name of byLength) {
    if (tail.endsWith(`.${name}`) || tail.includes(`.${name}.`)) return name;
  }
  return byLength.find((name) => new RegExp(`(^|[^\\w])${escape(name)}([^\\w]|$)`).test(failure.message)) ?? null;
}

function escape(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
