import { expect, test } from "vitest";
import { Outputs } from "./outputs";

const text = (content: string) => ({ data: { "text/plain": content }, metadata: {} });
const told = (outputs: Outputs) =>
  outputs.list().map((each) => (each.kind === "stream" ? each.shown.head.map(({ text: printed }) => printed).join("") : each.value.data["text/plain"]));

test("prints and displays stay in order, and prints between two displays are one", () => {
  const outputs = new Outputs();
  outputs.print("stdout", "a");
  outputs.print("stdout", "b");
  outputs.show(text("one"));
  outputs.print("stderr", "c");
  expect(told(outputs)).toEqual(["ab", "one", "c"]);
});

test("a display is replaced where it stands", () => {
  const outputs = new Outputs();
  outputs.show(text("1"), "d");
  outputs.show(text("2"));
  expect([outputs.replace("d", text("3")), outputs.replace("x", text("4"))]).toEqual([true, false]);
  expect(told(outputs)).toEqual(["3", "2"]);
});

test("clearing waits for the next output, if told to", () => {
  const outputs = new Outputs();
  outputs.print("stdout", "a");
  outputs.clear(true);
  expect(told(outputs)).toEqual(["a"]);
  outputs.print("stdout", "b");
  outputs.print("stdout", "c");
  expect(told(outputs)).toEqual(["bc"]);
  outputs.clear(false);
  expect(outputs.empty).toBe(true);
});

test("a progress bar stays on its line across many prints", () => {
  const outputs = new Outputs();
  for (let done = 0; done <= 500; done += 1) outputs.print("stdout", `\r${done} of 500 ${"#".repeat(done % 40)}`);
  expect(told(outputs)).toEqual(["500 of 500 ####################"]);
});
