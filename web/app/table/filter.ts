/** Filters that are typed below a column's name, and the Python expression that they mean together. */

export type FilterKind = "text" | "number" | "decimal" | "mixed" | "bool" | "date" | "enum" | "class";

export interface Filter {
  kind: FilterKind;
  field: string;
  text: string;
  /** Its values may be None, which is neither less nor more than anything. */
  optional?: boolean;
}

/** Makes a comparison that None would raise on one that is false of it. */
type Guard = (comparison: string) => string;

/** Thrown for what is no filter of its kind. */
export class FilterProblem extends Error {}

const NUMBER = String.raw`[+-]?(?:\d+(?:_?\d+)*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?`;
const COMPARED = new RegExp(`^(<=|>=|==?|!=|<|>)?\\s*(${NUMBER})$`);
const RANGE = new RegExp(`^(${NUMBER})\\s*(?:\\.\\.|…|–)\\s*(${NUMBER})$`);
const MOMENT = String.raw`\d{4}(?:-\d{2}(?:-\d{2}(?:[T ]\d{2}(?::\d{2}(?::\d{2}(?:\.\d+)?)?)?)?)?)?`;
const DATED = new RegExp(`^(<=|>=|<|>|=)?\\s*(${MOMENT})$`);
const DATES = new RegExp(`^(${MOMENT})\\s*(?:\\.\\.|…|–)\\s*(${MOMENT})$`);

/** What the input of a column suggests. */
export const HINTS: Record<FilterKind, string> = {
  text: "contains",
  number: "<3.5",
  decimal: "<3.5",
  mixed: "<3.5, text",
  bool: "True",
  date: ">2026-05",
  enum: "name",
  class: "class",
};

/** All that can be typed there. */
export const WAYS: Record<FilterKind, string> = {
  text: "text for what contains it, =text for what is it, ^text for what begins with it, !text for what has it not",
  number: "3, <3.5, or 2..5",
  decimal: "3, <3.5, or 2..5",
  mixed: "<3.5 or 2..5 for numbers, text for what contains it, =text for what is it",
  bool: "True or False",
  date: "2026-05, >2026-05-01, or 2026-01..2026-03",
  enum: "text for names that contain it, =NAME for what is it, !text for what has it not",
  class: "The name of a class",
};

/** The kind of filter that fits a field by its annotation. */
export function filterKind(annotation: string): FilterKind {
  const plain = annotation.replace(/^Optional\[(.*)\]$/, "$1").replace(/\s*\|\s*None$/, "");
  if (plain === "bool") return "bool";
  if (/^(int|float)$/.test(plain)) return "number";
  if (/^(decimal\.)?Decimal$/.test(plain)) return "decimal";
  if (/^(datetime\.)?(date|datetime)$/.test(plain)) return "date";
  // texts among numbers: of what was imported, say
  return plain.split(/\s*\|\s*/).some((part) => /^(int|float)$/.test(part)) && /\bstr\b/.test(plain) ? "mixed" : "text";
}

/** Whether values of this annotation may be None. */
export const mayBeNone = (annotation: string): boolean => /\bNone\b|^(typing\.)?Optional\[/.test(annotation);

/** A text as Python reads it: JSON's escapes are Python's too. */
export const quote = (text: string): string => JSON.stringify(text);

const KEYWORDS = /^(False|None|True|and|as|assert|async|await|break|class|continue|def|del|elif|else|except|finally|for|from|global|if|import|in|is|lambda|nonlocal|not|or|pass|raise|return|try|while|with|yield)$/;

/** Whether Python can write a field behind a dot. */
export const isPlainName = (field: string): boolean => field.split(".").every((part) => /^[\p{L}_][\p{L}\p{N}_]*$/u.test(part) && !KEYWORDS.test(part));

/** How an expression reads a field, whatever it is called. */
const readOf = (field: string): string => (isPlainName(field) ? `o.${field}` : `getattr(o, ${quote(field)})`);

/** The expression of one filter; "" for an empty one. Throws FilterProblem. */
export function expressionOf({ kind, field, text, optional = false }: Filter): string {
  const typed = text.trim();
  if (typed === "") return "";
  if (kind === "class") return `type(o).__name__ == ${quote(typed)}`;
  const name = readOf(field);
  const guard: Guard = (comparison) => (optional ? `(${name} is not None and ${comparison})` : comparison);
  if (/^(is )?none$/i.test(typed)) return `${name} is None`;
  if (kind === "bool") return boolExpression(name, typed);
  if (kind === "decimal") return numberExpression(name, typed, guard, (number) => (/^[+-]?\d+$/.test(number) ? number : `decimal.Decimal("${number}")`));
  if (kind === "enum") return enumExpression(name, typed);
  if (kind === "number" || (kind === "mixed" && (RANGE.test(typed) || (/^[<>!]/.test(typed) && COMPARED.test(typed))))) return numberExpression(name, typed, guard);
  if (kind === "date") return guard(dateExpression(field === "date" ? name : `${name}.isoformat()`, typed));
  return textExpression(name, typed, guard);
}

function boolExpression(name: string, typed: string): string {
  if (/^(true|yes|1)$/i.test(typed)) return `${name} is True`;
  if (/^(false|no|0)$/i.test(typed)) return `${name} is False`;
  throw new FilterProblem("Write True or False.");
}

function numberExpression(name: string, typed: string, guard: Guard, written = (number: string): string => number): string {
  const range = RANGE.exec(typed);
  if (range) return guard(`${written(range[1]!)} <= ${name} <= ${written(range[2]!)}`);
  const compared = COMPARED.exec(typed);
  if (!compared) throw new FilterProblem("Write a number, a comparison such as <3.5, or a range such as 2..5.");
  const [, sign = "==", number = ""] = compared;
  const comparison = `${name} ${sign === "=" ? "==" : sign} ${written(number)}`;
  return sign.startsWith("<") || sign.startsWith(">") ? guard(comparison) : comparison;
}

/** The name of a member is read without code of its class; its text is not. */
function enumExpression(name: string, typed: string): string {
  const member = typed.replace(/^([=^!]?).*\./, "$1"); // Colour.RED, as the cell shows it
  return `(${name} is not None and ${textExpression(`${name}.name`, member, String)})`;
}

/** Moments in ISO 8601 are in order as texts; one of few digits stands for all that begin so. */
function dateExpression(name: string, typed: string): string {
  const range = DATES.exec(typed);
  const iso = (text: string): string => text.replace(" ", "T");
  if (range) return `${quote(iso(range[1]!))} <= ${name} < ${quote(`${iso(range[2]!)}~`)}`;
  const dated = DATED.exec(typed);
  if (!dated) throw new FilterProblem("Write a day such as 2026-05-01, >2026-05, or 2026-01..2026-03.");
  const [, sign = "", moment = ""] = dated;
  const text = iso(moment);
  if (sign === "" || sign === "=") return `${name}.startswith(${quote(text)})`;
  // "after May" begins when May is over
  return sign === ">" || sign === "<=" ? `${name} ${sign === ">" ? ">" : "<="} ${quote(`${text}~`)}` : `${name} ${sign} ${quote(text)}`;
}

/** Small letters find capitals too. */
function textExpression(name: string, typed: string, guard: Guard): string {
  const first = typed.charAt(0);
  const rest = typed.slice(1);
  if (first === "=") return `${name} == ${quote(rest)}`;
  if (first === "^" && rest !== "") return guard(`${name}.startswith(${quote(rest)})`);
  if (first === "!" && rest !== "") return `${quote(rest)} not in str(${name})`;
  return typed === typed.toLowerCase() ? `${quote(typed)} in str(${name}).lower()` : `${quote(typed)} in str(${name})`;
}

/** The expression that an own one and the filters mean together. Throws FilterProblem. */
export function joinExpressions(own: string, filters: readonly Filter[]): string {
  const parts = filters.map(expressionOf).filter((part) => part !== "");
  const mine = own.trim();
  if (mine === "" || parts.length === 0) return [mine, ...parts].filter((part) => part !== "").join(" and ");
  return [/\b(or|if|lambda|:=)\b/.test(mine) ? `(${mine})` : mine, ...parts].join(" and ");
}
