import { expect, test } from "vitest";
import { HistoryWalk } from "./history";

test("back to the oldest, forth to what was being typed", () => {
  const walk = new HistoryWalk(() => ["a", "b"]);
  expect(walk.step(1, "dra")).toBeNull();
  expect(walk.step(-1, "dra")).toBe("b");
  expect(walk.step(-1, "b")).toBe("a");
  expect(walk.step(-1, "a")).toBeNull();
  expect(walk.step(1, "a")).toBe("b");
  expect(walk.step(1, "b")).toBe("dra");
  expect(walk.step(1, "dra")).toBeNull();
});

test("an edited text begins a new walk", () => {
  const walk = new HistoryWalk(() => ["a", "b"]);
  walk.step(-1, "");
  expect(walk.step(1, "b edited")).toBeNull();
  expect(walk.step(-1, "b edited")).toBe("b");
  expect(walk.step(1, "b")).toBe("b edited");
});

test("after a reset it begins at the newest", () => {
  const texts = ["a"];
  const walk = new HistoryWalk(() => texts);
  walk.step(-1, "");
  walk.reset();
  texts.push("b");
  expect(walk.step(-1, "")).toBe("b");
});
