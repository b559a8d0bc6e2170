/** What may be typed into a field, checked before it is sent. The kernel parses it and has the last word. */

import type { Field } from "../../protocol";
import { endOfString, FLOAT, INT, isMissing, parseValue } from "./value";

type Kind = Field["kind"];

const CLOSERS: Record<string, string> = { "(": ")", "[": "]", "{": "}" };

/** Why this text cannot be a value of that kind, or null. */
export function checkText(kind: Kind, text: string): string | null {
  const value = text.trim();
  if (value === "None") return null; // the class may allow it
  if (kind === "int") return INT.test(value) ? null : "A whole number, such as 12 or 1_000.";
  if (kind === "float") return FLOAT.test(value) ? null : "A number, such as 3.5 or 1e-3.";
  if (kind === "bool") return value === "True" || value === "False" ? null : "True or False.";
  if (kind === "date" || kind === "datetime" || kind === "time") return value === "" ? `Choose a ${kind === "time" ? "time" : "date"}.` : checkLiteral(value);
  if (kind === "literal") return checkLiteral(value) ?? checkMissing(value);
  return null;
}

function checkMissing(text: string): string | null {
  const value = text.includes("...") ? parseValue(text) : null;
  return value !== null && isMissing(value) ? "Something is still to be chosen or written." : null;
}

/** Brackets that pair and strings that end: what goes wrong most while typing. */
export function checkLiteral(text: string): string | null {
  if (text === "") return "Write a value, such as [1, 2], {'a': 1} or None.";
  const open: string[] = [];
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at] as string;
    if (char === "'" || char === '"') {
      const end = endOfString(text, at);
      if (end < 0) return `The text that begins with ${text.slice(at, at + 12)} has no closing quote.`;
      at = end;
    } else if (char === "#") {
      at = text.indexOf("\n", at) < 0 ? text.length : text.indexOf("\n", at);
    } else if (char in CLOSERS) {
      open.push(CLOSERS[char] as string);
    } else if (Object.values(CLOSERS).includes(char) && open.pop() !== char) {
      return `This ${char} closes nothing.`;
    }
  }
  return open.length > 0 ? `A closing ${open.at(-1)} is missing.` : null;
}
