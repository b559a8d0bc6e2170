import { expect, test } from "vitest";
import { bind, isTyped, nameStroke, readKeys, rebind, useOf } from "./shortcut";

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
  expect([...bind(commands, { palette: "", theme: "F4" })]).toEqual([["F4", "theme"], ["Ctrl+J", "console"]]);
});

test("whatever keys are given to whatever commands, the last to get some has them, and no two have the same", () => {
  const strokes = ["F1", "Ctrl+K", "Ctrl+J", "Alt+1", ""];
  const commands = ["a", "b", "c", "d"].map((id, at) => ({ id, keys: strokes[at + 1] ?? "" }));
  let state = 7;
  const below = (limit: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
  let own: Record<string, string> = readKeys('{"a":"Ctrl+J","b":"Ctrl+J"}'); // as an earlier page may have kept it
  for (let step = 0; step < 400; step += 1) {
    const id = commands[below(4)]?.id ?? "";
    const keys = below(6) === 0 ? null : (strokes[below(strokes.length)] ?? "");
    own = rebind(commands, own, id, keys);
    const bound = bind(commands, own);
    if (keys !== null && keys !== "") expect(bound.get(keys)).toBe(id);
    if (keys === "") expect([...bound.values()]).not.toContain(id);
    expect(new Set(bound.values()).size).toBe(bound.size);
  }
});

test("keys that the page uses itself are no command's", () => {
  for (const keys of ["Ctrl+S", "Shift+Enter", "Delete", "Tab", "ArrowUp"]) expect(useOf(keys)).not.toBe("");
  for (const keys of ["Ctrl+K", "F8", "?", "constructor"]) expect(useOf(keys)).toBe("");
});

test("what is kept may be anything", () => {
  for (const text of [null, "", "[1]", "null", "{", '{"a":1}']) expect(readKeys(text)).toEqual({});
  expect(readKeys('{"palette":"F1","b":2}')).toEqual({ palette: "F1" });
});
