import { expect, test } from "vitest";
import { storedIn } from "./assist";

const FIELDS = ["o.", "o.größe"];
const BEFORE = ["", "x = [", "print(len(", "for each in ", "if True:\n    found = "];

test.each(BEFORE)("what follows %j is about stored objects, whatever the lambda calls them", (before) => {
  for (const of of ["fs", "local", "cluster"]) {
    for (const name of ["o", "each", "x1", "größe"]) {
      for (const tail of [".", ".pri", " > 3 and "]) {
        const text = `${name}.size${tail === " > 3 and " ? `${tail}len(${name}.` : tail}`;
        const told = { of, path: "/", text: text.replaceAll(`${name}.`, "o.") };
        expect(storedIn(`${before}${of}.search(lambda ${name}: ${text}`, "")).toEqual({ ...told, text: ` ${told.text}` });
        expect(storedIn(`${before}await a${of}.count(lambda ${name}:${text}`, ', "/stock")')).toEqual({ ...told, path: "/stock" });
      }
    }
    for (const text of FIELDS) expect(storedIn(`${before}${of}.search("${text}`, `", path='/größe')`)).toEqual({ of, path: "/größe", text });
    expect(storedIn(`${before}${of}.getobject('/a b/ü').si`, "")).toEqual({ of, path: "/a b/ü", text: "o.si" });
  }
});

test.each([
  "o.",
  "fs.search(",
  "fs.search(lambda o: o",
  "fs.search(lambda o: p.",
  "fs.search(lambda o: o.size, o.",
  "fs.search(lambda o: o.size).",
  "fs.search('o.size').o.",
  "fs.search('x', o.",
  "fs.list(lambda o: o.",
  "other.getobject('/a').",
  "fs.getobject('/a'",
  "fs.search(lambda o: o.size > 3)\no.",
])("%j is not", (text) => {
  expect(storedIn(text, "")).toBeNull();
});
