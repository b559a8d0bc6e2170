import { expect, test } from "vitest";
import { keyAction } from "./keys";

const press = (key: string, held: Partial<KeyboardEvent> = {}) => keyAction({ key, shiftKey: false, ctrlKey: false, metaKey: false, altKey: false, ...held });

test("the keys of Jupyter", () => {
  expect([press("Enter"), press("Enter", { shiftKey: true }), press("Enter", { altKey: true }), press("Enter", { ctrlKey: true })]).toEqual(["edit", "advance", "insert", "run"]);
  expect([press("a"), press("b"), press("z"), press("m"), press("ArrowDown", { altKey: true })]).toEqual(["above", "below", "undo", "markdown", "moveDown"]);
  expect([press("a", { ctrlKey: true }), press("q"), press("Tab")]).toEqual([null, null, null]);
});
