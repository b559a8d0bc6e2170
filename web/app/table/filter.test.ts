import { describe, expect, it } from "vitest";
import { expressionOf, filterKind, FilterProblem, joinExpressions, mayBeNone, quote, type Filter, type FilterKind } from "./filter";

const number = (text: string): string => expressionOf({ kind: "number", field: "n", text });
const date = (text: string): string => expressionOf({ kind: "date", field: "date", text });

describe("a filter", () => {
  it("compares numbers as they were typed", () => {
    expect(number("3")).toBe("o.n == 3");
    expect(number("<3.5")).toBe("o.n < 3.5");
    expect(number("!= -2e3")).toBe("o.n != -2e3");
    expect(number("2..5")).toBe("2 <= o.n <= 5");
    expect(number("  ")).toBe("");
    for (const wrong of ["x", "<", "3 4", "1..", "__import__('os')"]) expect(() => number(wrong)).toThrow(FilterProblem);
  });

  it("takes a day, a month or a year as all that is within", () => {
    expect(date("2026-05")).toBe('o.date.startswith("2026-05")');
    const after = date(">2026-05");
    expect(after).toBe('o.date > "2026-05~"');
    expect(() => date("May")).toThrow(FilterProblem);
  });

  it("is chosen by the annotation", () => {
    expect(["int", "float | None", "Optional[bool]", "datetime", "list[int]", ""].map(filterKind)).toEqual(["number", "number", "bool", "date", "text", "text"]);
  });

  it("takes numbers among texts for numbers where they are compared", () => {
    const mixed = (text: string): string => expressionOf({ kind: "mixed", field: "n", text });
    expect(["float | str", "str | int | None", "str | None"].map(filterKind)).toEqual(["mixed", "mixed", "text"]);
    expect(mixed(">20")).toBe("o.n > 20");
    expect(mixed("2..5")).toBe("2 <= o.n <= 5");
    expect(mixed("20")).toBe('"20" in str(o.n).lower()');
    expect(mixed("=abc")).toBe('o.n == "abc"');
  });

  it("never lets what is typed become code", () => {
    const nasty = ['"', "'", "\\", '\\"', "\n", "\u2028", "é🙂", '") or True or ("', "{x}", "\u0000"];
    const filters: Filter[] = nasty.flatMap((text) => ["", "=", "^", "!"].map((sign): Filter => ({ kind: "text", field: "f", text: `${sign}a${text}` })));
    for (const filter of filters) {
      const expression = expressionOf(filter);
      const [literal = ""] = /"(?:[^"\\]|\\.)*"/.exec(expression) ?? [];
      const typed = filter.text.trim();
      expect([typed, typed.slice(1)]).toContain(JSON.parse(literal));
      expect(["_ in str(o.f).lower()", "_ in str(o.f)", "_ not in str(o.f)", "o.f == _", "o.f.startswith(_)"]).toContain(expression.replace(literal, () => "_"));
    }
  });
});

describe("filters and an expression", () => {
  it("hold together", () => {
    const filters: Filter[] = [
      { kind: "number", field: "n", text: ">1" },
      { kind: "class", field: "class", text: "Widget" },
      { kind: "text", field: "t", text: "" },
    ];
    expect(joinExpressions("", filters)).toBe('o.n > 1 and type(o).__name__ == "Widget"');
    expect(joinExpressions("o.a or o.b", filters)).toBe('(o.a or o.b) and o.n > 1 and type(o).__name__ == "Widget"');
    expect(joinExpressions("o.a < 2", [])).toBe("o.a < 2");
    expect(quote('ü"')).toBe('"ü\\""');
  });
});

describe("whatever a field is called and holds", () => {
  it("is read by Python's own means", () => {
    for (const field of ["class", "first name", "1st", 'a"b', "lambda", "a-b", "a.class"]) {
      expect(expressionOf({ kind: "number", field, text: "<3" })).toBe(`getattr(o, ${quote(field)}) < 3`);
    }
    for (const field of ["größe", "_x", "constructor", "address.city", "match"]) expect(expressionOf({ kind: "number", field, text: "<3" })).toBe(`o.${field} < 3`);
  });

  it("is a Decimal to the last digit", () => {
    expect(filterKind("Decimal | None")).toBe("decimal");
    expect(expressionOf({ kind: "decimal", field: "p", text: "=1.10" })).toBe('o.p == decimal.Decimal("1.10")');
    expect(expressionOf({ kind: "decimal", field: "p", text: "1..2.5" })).toBe('1 <= o.p <= decimal.Decimal("2.5")');
  });

  it("is a member of an enumeration by its name, as cells show it", () => {
    const member = (text: string): string => expressionOf({ kind: "enum", field: "c", text });
    expect(member("red")).toBe('(o.c is not None and "red" in str(o.c.name).lower())');
    expect(member("Colour.RED")).toBe('(o.c is not None and "RED" in str(o.c.name))');
    expect(member("=Colour.RED")).toBe(member("=RED"));
    expect(member("=RED")).toBe('(o.c is not None and o.c.name == "RED")');
    expect(member("none")).toBe("o.c is None");
  });

  it("is compared only where it is not None, if it may be that: None would raise", () => {
    expect(["int | None", "None | str", "Optional[date]", "typing.Optional[int]", "int", "NoneOther", "list[int]", ""].map(mayBeNone)).toEqual([true, true, true, true, false, false, false, false]);
    const kinds: FilterKind[] = ["text", "number", "decimal", "mixed", "bool", "date", "enum"];
    const typed = ["3", "<3", ">=3.5", "!= 2", "=2", "2..5", "True", "none", "2026", "<2026-05", "2026-01..2026-02", "abc", "^abc", "!abc", "=abc"];
    for (const kind of kinds) {
      for (const text of typed) {
        let plain = "";
        try {
          plain = expressionOf({ kind, field: "n", text });
        } catch {
          continue;
        }
        const raises = / <=? |[^-]>=? |\.(startswith|isoformat)\(/.test(plain) && kind !== "enum";
        expect(expressionOf({ kind, field: "n", text, optional: true }), text).toBe(raises ? `(o.n is not None and ${plain})` : plain);
      }
    }
  });
});
