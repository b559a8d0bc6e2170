/** A value as Python writes it, taken apart for editing and put together again. What is inside a leaf stays as it was
 *  written; the kernel has the last word on all of it. */

import type { Form } from "../../protocol";

export type Sequence = "list" | "tuple" | "set" | "frozenset" | "deque";
export type Value =
  | { kind: "leaf"; text: string }
  | { kind: Sequence; items: Value[] }
  | { kind: "dict"; pairs: [Value, Value][] }
  | { kind: "record"; name: string; fields: [string, Value][] };

/** What stands where something is still to be chosen or written: no value, so it cannot be saved. */
export const MISSING = "...";

export const missingValue = (): Value => ({ kind: "leaf", text: MISSING });

const NAME = /[\p{L}_][\p{L}\p{N}_]*(\.[\p{L}_][\p{L}\p{N}_]*)*/uy;
const SEQUENCES: Record<string, Sequence> = { "[": "list", "(": "tuple", "{": "set" };
const CLOSERS: Record<string, string> = { "[": "]", "(": ")", "{": "}" };
/** Calls that make one value, which is not taken apart. */
const MAKERS = /^(datetime\.)?(complex|bytes|bytearray|Decimal|UUID|datetime|date|time|timedelta|timezone|Reference|BlockTree|ZoneInfo|array|Counter|Fraction|OrderedDict|defaultdict|range|slice|SimpleNamespace|\w*Path|IPv\w+)(\.fromisoformat)?$/;

/** The parts of a text; null if it is not understood, and edited as text. */
export function parseValue(text: string): Value | null {
  const reader = new Reader(text);
  const value = reader.value();
  reader.skip();
  return reader.failed || reader.at < text.length ? null : value;
}

class Reader {
  at = 0;
  failed = false;

  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  skip(): void {
    while (/\s/.test(this.text[this.at] ?? "")) this.at += 1;
  }

  take(char: string): boolean {
    this.skip();
    if (this.text[this.at] !== char) return false;
    this.at += 1;
    return true;
  }

  value(): Value {
    this.skip();
    const start = this.at;
    const open = this.text[start] ?? "";
    const made = open in SEQUENCES ? this.bracket(open) : this.call();
    this.skip();
    if (made !== null && /[,)\]}:]|^$/.test(this.text[this.at] ?? "")) return made;
    this.at = start;
    return this.leaf();
  }

  /** A sequence or a map; null for what is only in parentheses. */
  bracket(open: string): Value | null {
    const close = CLOSERS[open] as string;
    const items: Value[] = [];
    const pairs: [Value, Value][] = [];
    let comma = false;
    this.at += 1;
    while (!this.take(close)) {
      if (this.failed || this.at >= this.text.length) return this.fail();
      const item = this.value();
      if (open === "{" && this.take(":")) pairs.push([item, this.value()]);
      else items.push(item);
      comma = this.take(",");
      this.skip();
      if (!comma && this.text[this.at] !== close) return this.fail();
    }
    if (open === "{" && items.length === 0) return { kind: "dict", pairs };
    if (pairs.length > 0) return this.fail();
    if (open === "(" && items.length === 1 && !comma) return null;
    return { kind: SEQUENCES[open] as Sequence, items };
  }

  /** `set()`, `frozenset({…})`, `deque([…])` or `Name(field=…)`; null for anything else. */
  call(): Value | null {
    NAME.lastIndex = this.at;
    const name = NAME.exec(this.text)?.[0] ?? "";
    if (name === "" || this.text[this.at + name.length] !== "(" || MAKERS.test(name)) return null;
    this.at += name.length + 1;
    if (name === "set") return this.take(")") ? { kind: "set", items: [] } : null;
    if (name === "frozenset" || name === "deque") {
      if (this.take(")")) return { kind: name, items: [] };
      const held = this.value();
      return "items" in held && this.take(")") ? { kind: name, items: held.items } : null;
    }
    const fields: [string, Value][] = [];
    while (!this.take(")")) {
      this.skip();
      NAME.lastIndex = this.at;
      const field = NAME.exec(this.text)?.[0] ?? "";
      this.at += field.length;
      if (field === "" || !this.take("=")) return null;
      fields.push([field, this.value()]);
      this.skip();
      if (!this.take(",") && this.text[this.at] !== ")") return null;
    }
    return { kind: "record", name, fields };
  }

  leaf(): Value {
    const start = this.at;
    const open: string[] = [];
    while (this.at < this.text.length) {
      const char = this.text[this.at] as string;
      if (char === "'" || char === '"') {
        this.at = endOfString(this.text, this.at);
        if (this.at < 0) break;
      } else if (char in CLOSERS) open.push(CLOSERS[char] as string);
      else if (open.length > 0 && char === open.at(-1)) open.pop();
      else if (open.length === 0 && /[,)\]}:=#]/.test(char)) break;
      this.at += 1;
    }
    const text = this.at < 0 ? "" : this.text.slice(start, this.at).trim();
    if (text === "" || open.length > 0) this.fail();
    return { kind: "leaf", text };
  }

  fail(): null {
    this.failed = true;
    this.at = this.text.length;
    return null;
  }
}

/** Where the last quote of a string is that begins here; -1 if it does not end. */
export function endOfString(text: string, start: number): number {
  const quote = text[start] as string;
  const mark = text.startsWith(quote.repeat(3), start) ? quote.repeat(3) : quote;
  for (let at = start + mark.length; at < text.length; at += 1) {
    if (text[at] === "\\") at += 1;
    else if (text.startsWith(mark, at)) return at + mark.length - 1;
    else if (text[at] === "\n" && mark.length === 1) return -1;
  }
  return -1;
}

export function formatValue(value: Value): string {
  const join = (items: Value[]): string => items.map(formatValue).join(", ");
  switch (value.kind) {
    case "leaf":
      return value.text;
    case "list":
      return `[${join(value.items)}]`;
    case "deque":
      return `deque([${join(value.items)}])`;
    case "tuple":
      return `(${join(value.items)}${value.items.length === 1 ? "," : ""})`;
    case "set":
      return value.items.length > 0 ? `{${join(value.items)}}` : "set()";
    case "frozenset":
      return value.items.length > 0 ? `frozenset({${join(value.items)}})` : "frozenset()";
    case "dict":
      return `{${value.pairs.map(([key, item]) => `${formatValue(key)}: ${formatValue(item)}`).join(", ")}}`;
    case "record":
      return `${value.name}(${value.fields.map(([name, item]) => `${name}=${formatValue(item)}`).join(", ")})`;
  }
}

// --- leaves
export const INT = /^[+-]?(0|[1-9](_?\d)*|0[xX](_?[\da-fA-F])+|0[oO](_?[0-7])+|0[bB](_?[01])+|0(_?0)*)$/;
export const FLOAT = /^[+-]?(\d(_?\d)*\.?(\d(_?\d)*)?|\.\d(_?\d)*)([eE][+-]?\d(_?\d)*)?$|^[+-]?(inf|nan)$/;

/** The name of a leaf's type: "int", "Decimal", "None"; "" if it is not known, such as of `Colour.RED`. */
export function typeOfLeaf(text: string): string {
  if (text === "None") return "None";
  if (text === "True" || text === "False") return "bool";
  if (INT.test(text)) return "int";
  if (FLOAT.test(text)) return "float";
  if (/^[uU]?['"]/.test(text)) return "str";
  if (/^[bB]['"]/.test(text)) return "bytes";
  const name = /^(?:datetime\.(?=(?:date|datetime|time|timedelta|timezone)\())?(\w+)\(/.exec(text)?.[1] ?? "";
  return /Path$/.test(name) ? "Path" : name;
}

const ESCAPES: Record<string, string> = { n: "\n", t: "\t", r: "\r", "\\": "\\", "'": "'", '"': '"', "\n": "", a: "\x07", b: "\b", f: "\f", v: "\v" };

/** The string that a Python literal is; null if it is more than one plain literal. */
export function readString(literal: string): string | null {
  const text = literal.replace(/^[uU]/, "");
  const size = /^("""|''')/.test(text) ? 3 : 1;
  if (!/^['"]/.test(text) || text.length < 2 * size || endOfString(text, 0) !== text.length - 1) return null;
  let failed = false;
  const made = text.slice(size, -size).replace(/\\(x[\da-fA-F]{2}|u[\da-fA-F]{4}|U[\da-fA-F]{8}|[0-7]{1,3}|[^])/g, (whole, code: string) => {
    if (/^[xuU]./.test(code)) return String.fromCodePoint(Math.min(parseInt(code.slice(1), 16), 0x10ffff));
    if (/^[0-7]/.test(code)) return String.fromCharCode(parseInt(code, 8));
    if (code === "N") failed = true;
    return ESCAPES[code] ?? whole;
  });
  return failed ? null : made;
}

/** The uuid in the text of a reference; "" of anything else, and of one that is still to be chosen. */
export function uuidOf(text: string): string {
  return readString(/^Reference\((?:uuid=)?(.*)\)$/s.exec(text)?.[1] ?? "") ?? "";
}

/** A Python literal of a string, as `repr` writes it. */
export function writeString(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const named: Record<string, string> = { "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", [quote]: `\\${quote}` };
  // eslint-disable-next-line no-control-regex
  const escaped = text.replace(/[\\\x00-\x1f\x7f-\xa0\xad'"]/g, (char) => named[char] ?? (/['"]/.test(char) ? char : `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`));
  return quote + escaped + quote;
}

// --- forms
export type Forms = Record<string, Form>;

/** Whether a value is what a form allows; what is not known of the form is allowed. */
export function fits(value: Value, form: Form | undefined, forms: Forms): boolean {
  if (form === undefined || form.kind === "any") return true;
  if (form.kind === "union") return form.of.some((key) => fits(value, forms[key], forms));
  if (form.kind === "choice") return value.kind === "leaf" && form.choices.includes(value.text);
  if (form.kind === "leaf") {
    const type = value.kind === "leaf" ? typeOfLeaf(value.text) : "";
    return type === form.name || (form.name === "float" && type === "int") || (form.name === "Path" && type === "Path");
  }
  if (value.kind !== form.kind) return false;
  if (value.kind === "record") return value.name === form.name;
  const [first, second] = form.of.map((key) => forms[key]);
  if (value.kind === "dict") return value.pairs.every(([key, item]) => fits(key, first, forms) && fits(item, second, forms));
  if (value.kind === "leaf") return false;
  if (form.fixed) return value.items.length === form.of.length && value.items.every((item, at) => fits(item, forms[form.of[at] ?? ""], forms));
  return value.items.every((item) => fits(item, first, forms));
}

const BLANKS: Record<string, string> = { bool: "False", int: "0", float: "0.0", str: "''", bytes: "b''", None: "None", Decimal: "Decimal('0')", timedelta: "timedelta(0)", complex: "complex(0.0, 0.0)", Fraction: "Fraction(0, 1)" };

/** What a form begins with; MISSING where only the user can tell. */
export function blankOf(form: Form | undefined, forms: Forms, today = new Date(), depth = 0): Value {
  const leaf = (text: string): Value => ({ kind: "leaf", text });
  if (form === undefined || form.kind === "any") return leaf("None");
  const inner = (key: string): Value => (depth > 8 ? leaf(MISSING) : blankOf(forms[key], forms, today, depth + 1));
  switch (form.kind) {
    case "choice":
      return leaf(form.choices[0] ?? MISSING);
    case "union": {
      const none = form.of.find((key) => forms[key]?.name === "None");
      return inner(none ?? form.of[0] ?? "");
    }
    case "list":
    case "set":
    case "frozenset":
    case "deque":
      return { kind: form.kind, items: [] };
    case "tuple":
      return { kind: "tuple", items: form.fixed ? form.of.map(inner) : [] };
    case "dict":
      return { kind: "dict", pairs: [] };
    case "record":
      return { kind: "record", name: form.name, fields: form.fields.map((field) => [field.name, (field.default === "" ? null : parseValue(field.default)) ?? inner(field.form)]) };
  }
  const day = `${today.getFullYear()}, ${today.getMonth() + 1}, ${today.getDate()}`;
  if (form.name === "date") return leaf(`date(${day})`);
  if (form.name === "datetime") return leaf(`datetime(${day}, 0, 0)`);
  if (form.name === "time") return leaf("time(0, 0)");
  return leaf(BLANKS[form.name] ?? MISSING);
}

/** The text that a field without a default begins with: of a collection or what has parts, the empty one; "" where only
 *  the user can tell. */
export function beginningOf(form: Form | undefined, forms: Forms): string {
  if (form === undefined || form.kind === "any" || form.kind === "choice" || form.kind === "leaf") return "";
  const blank = blankOf(form, forms);
  return blank.kind === "leaf" && blank.text !== "None" ? "" : formatValue(blank);
}

/** What a value may be where nothing is declared. */
export const ANYTHING: Record<string, Form> = Object.fromEntries(
  [
    ["None", "leaf", "None"],
    ["text", "leaf", "str"],
    ["whole number", "leaf", "int"],
    ["number", "leaf", "float"],
    ["true or false", "leaf", "bool"],
    ["date", "leaf", "date"],
    ["list", "list", ""],
    ["dict", "dict", ""],
    ["reference", "leaf", "Reference"],
  ].map(([label = "", kind = "", name = ""]) => [label, { kind, label, of: [], fixed: false, choices: [], name, fields: [] }]),
);

/** The forms that a value can have here, by what they are called; and which one it has, "" if none. */
export function alternativesOf(value: Value, form: Form | undefined, forms: Forms): { choices: [label: string, form: Form][]; chosen: string } {
  const union = form?.kind === "union" ? form.of.map((key) => forms[key]).filter((each) => each !== undefined) : [];
  const choices: [string, Form][] = form?.kind === "union" ? union.map((each) => [each.label, each]) : Object.entries(ANYTHING);
  const exact = choices.find(([, each]) => each.kind === "leaf" && value.kind === "leaf" && typeOfLeaf(value.text) === each.name);
  const chosen = exact ?? choices.find(([, each]) => fits(value, each, forms)) ?? choices.find(([, each]) => each.kind === value.kind);
  return { choices, chosen: chosen?.[0] ?? "" };
}

/** How many plain values are in it. */
export function partsOf(value: Value): number {
  if (value.kind === "leaf") return 1;
  if (value.kind === "dict") return value.pairs.reduce((sum, [key, item]) => sum + partsOf(key) + partsOf(item), 0);
  if (value.kind === "record") return value.fields.reduce((sum, [, item]) => sum + partsOf(item), 0);
  return value.items.reduce((sum, item) => sum + partsOf(item), 0);
}

/** Whether something in it is still to be chosen. */
export function isMissing(value: Value): boolean {
  if (value.kind === "leaf") return value.text === MISSING;
  if (value.kind === "dict") return value.pairs.some((pair) => pair.some(isMissing));
  if (value.kind === "record") return value.fields.some(([, item]) => isMissing(item));
  return value.items.some(isMissing);
}
