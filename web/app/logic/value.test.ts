import { expect, test } from "vitest";
import type { Form } from "../../protocol";
import { alternativesOf, beginningOf, blankOf, fits, formatValue, isMissing, parseValue, readString, typeOfLeaf, uuidOf, writeString, type Value } from "./value";

/** The same numbers for the same seed. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return (state >> 8) % below;
  };
}

const LEAVES = ["None", "True", "-3", "0x1F", "2.5e-3", "inf", "Decimal('1.5')", "date(2026, 1, 2)", "datetime(2026, 1, 2, 0, 0, tzinfo=timezone.utc)", "b'\\x00'", "Colour.RED", "Reference('0190')", "complex(0.0, -1.5)", "deque([1], maxlen=3)", "Counter({'a': 1})", "..."];
const CHARS = ["a", "'", '"', "\\", "\n", "\t", "\0", ",", ")", "]", "}", ":", "#", "=", "é", "م", "🙂", " ", "\u00a0", "\u2028"];

function text(random: (below: number) => number): string {
  return Array.from({ length: random(6) }, () => CHARS[random(CHARS.length)]).join("");
}

function make(random: (below: number) => number, depth: number): Value {
  const kind = depth === 0 ? 0 : random(8);
  const some = (): Value[] => Array.from({ length: random(4) }, () => make(random, depth - 1));
  if (kind < 2) return { kind: "leaf", text: random(2) === 0 ? (LEAVES[random(LEAVES.length)] as string) : writeString(text(random)) };
  if (kind === 6) return { kind: "dict", pairs: some().map((item) => [make(random, 0), item]) };
  if (kind === 7) return { kind: "record", name: random(2) === 0 ? "Line" : "Order.Line", fields: some().map((item, at) => [`f${at}`, item]) };
  return { kind: (["list", "tuple", "set", "frozenset"] as const)[kind - 2] as "list", items: some() };
}

test("whatever is put together is taken apart again as it was", () => {
  for (let seed = 1; seed < 2000; seed += 1) {
    const value = make(randomOf(seed), 3);
    const written = formatValue(value);
    expect(parseValue(written), written).toEqual(value);
  }
});

test("any text is kept in a string", () => {
  for (let seed = 1; seed < 500; seed += 1) {
    const one = text(randomOf(seed));
    expect(readString(writeString(one))).toBe(one);
  }
  expect(writeString("it's")).toBe('"it\'s"');
  expect(readString("'a' 'b'")).toBeNull();
  expect(readString("'\\N{BULLET}'")).toBeNull();
});

test("broken text is not taken apart, and never cut", () => {
  for (const broken of ["", "[1", "1, 2", "{1: 2, 3}", "'a", "(", "[,]", "f(1", "{1: }"]) expect(parseValue(broken), broken).toBeNull();
  for (const whole of ["(1)", "f(1)", "frozenset([1, 2])", "-1+2j", "'a' 'b'"]) {
    const value = parseValue(whole);
    expect(value === null ? whole : formatValue(value).replace("{1, 2}", "[1, 2]")).toBe(whole);
  }
});

function form(kind: string, more: Partial<Form> = {}): Form {
  return { kind, label: kind, of: [], fixed: false, choices: [], name: "", fields: [], ...more };
}
const FORMS: Record<string, Form> = {
  int: form("leaf", { name: "int" }),
  None: form("leaf", { name: "None", label: "None" }),
  colour: form("choice", { choices: ["Colour.RED", "Colour.BLUE"] }),
  "list[int]": form("list", { of: ["int"] }),
  "int | None": form("union", { of: ["int", "None"] }),
  pair: form("tuple", { of: ["int", "colour"], fixed: true }),
  line: form("record", { name: "Line", fields: [{ name: "n", form: "int", default: "5" }, { name: "to", form: "ref", default: "" }, { name: "below", form: "lines", default: "[]" }] }),
  lines: form("list", { of: ["line"] }),
  ref: form("leaf", { name: "Reference" }),
};

test("what begins a form fits it", () => {
  for (const [name, each] of Object.entries(FORMS)) {
    const blank = blankOf(each, FORMS);
    if (isMissing(blank)) expect(["line", "ref"]).toContain(name);
    else expect(fits(blank, each, FORMS), name).toBe(true);
  }
  expect(formatValue(blankOf(FORMS["line"], FORMS))).toBe("Line(n=5, to=..., below=[])");
});

test("a reference is told from a text that is like one", () => {
  expect(uuidOf("Reference('ab12')")).toBe("ab12");
  expect(uuidOf("Reference(uuid='ab12')")).toBe("ab12");
  for (const text of ["Reference('')", "...", "", "None", "'Reference(1)'", "[Reference('a'), Reference('b')]", "Reference('a'), Reference('b')", "Reference(x)"]) expect(uuidOf(text), text).toBe("");
});

test("what has no default begins as what can be built upon, or as nothing", () => {
  for (const [name, each] of Object.entries(FORMS)) {
    const text = beginningOf(each, FORMS);
    if (text !== "") expect(fits(parseValue(text) as Value, each, FORMS), name).toBe(true);
    expect(text === "", name).toBe(["int", "None", "colour", "ref"].includes(name));
  }
});

test("what does not fit is noticed", () => {
  const fit = (text: string, name: string): boolean => fits(parseValue(text) as Value, FORMS[name], FORMS);
  expect(fit("3", "int")).toBe(true);
  expect(fit("'3'", "int")).toBe(false);
  expect(fit("[1, 'a']", "list[int]")).toBe(false);
  expect(fit("(1, Colour.BLUE)", "pair")).toBe(true);
  expect(fit("(1,)", "pair")).toBe(false);
  expect(alternativesOf(parseValue("None") as Value, FORMS["int | None"], FORMS).chosen).toBe("None");
  expect(alternativesOf(parseValue("[1]") as Value, undefined, FORMS).chosen).toBe("list");
  expect(alternativesOf(parseValue("3") as Value, undefined, FORMS).chosen).toBe("whole number");
  expect(typeOfLeaf("datetime.date(2026, 1, 2)")).toBe("date");
});
