import { expect, test } from "vitest";
import { bind, isTyped, nameStroke, readKeys } from "./shortcut";

const stroke = (key: string, held: Partial<Record<"ctrlKey" | "metaKey" | "altKey" | "shiftKey", boolean>> = {}) => ({
  ...{ key, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false },
  ...held,
});

test("a stroke has one name", () => {
  expect(nameStroke(stroke("k", { ctrlKey: true }))).toBe("Ctrl+K");
  expect(nameStroke(stroke("K", { metaKey: true, shiftKey: true }))).toBe("Ctrl+Shift+K");
  expect(nameStroke(stroke("?", { shiftKey: true }))).toBe("?");
  expect(nameStroke(stroke(" ", { ctrlKey: true }))).toBe("Ctrl+Space");
  expect(nameStroke(stroke("F2", { shiftKey: true }))).toBe("Shift+F2");
  for (const key of ["Control", "Shift", "Alt", "Meta"]) expect(nameStroke(stroke(key))).toBe("");
});

test("what types a character is no shortcut in a field", () => {
  for (const name of ["?", "A", "Shift+A", "Enter", "Delete"]) expect(isTyped(name)).toBe(true);
  for (const name of ["Ctrl+K", "Alt+1", "F1", "Ctrl+Shift+P"]) expect(isTyped(name)).toBe(false);
});

test("own keys come first, none is nothing's, and no key means two things", () => {
  const commands = [
    { id: "palette", keys: "Ctrl+K" },
    { id: "console", keys: "Ctrl+J" },
    { id: "theme", keys: "" },
  ];
  expect([...bind(commands, {})]).toEqual([["Ctrl+K", "palette"], ["Ctrl+J", "console"]]);
  expect([...bind(commands, { palette: "Ctrl+J" })]).toEqual([["Ctrl+J", "palette"]]);
  expect([...bind(commands, { palette: "", theme: "F4" })]).toEqual([["Ctrl+J", "console"], ["F4", "theme"]]);
});

test("what is kept may be anything", () => {
  for (const text of [null, "", "[1]", "null", "{", '{"a":1}']) expect(readKeys(text)).toEqual({});
  expect(readKeys('{"palette":"F1","b":2}')).toEqual({ palette: "F1" });
});
