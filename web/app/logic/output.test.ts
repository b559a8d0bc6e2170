import { expect, test } from "vitest";
import { OutputBuffer, type Chunk } from "./output";

const join = (chunks: Chunk[]): string => chunks.map((chunk) => chunk.text).join("");

test("short output is whole", () => {
  const buffer = new OutputBuffer(100, 100);
  expect(buffer.empty).toBe(true);
  buffer.append("stdout", "a\n");
  buffer.append("stderr", "b\n");
  buffer.append("stdout", "c\n");
  const shown = buffer.show();
  expect(shown.head.map((chunk) => chunk.stream)).toEqual(["stdout", "stderr", "stdout"]);
  expect(join(shown.head)).toBe("a\nb\nc\n");
  expect(shown.dropped).toBe(0);
});

test("small prints of one stream run together", () => {
  const buffer = new OutputBuffer();
  for (let i = 0; i < 100; i += 1) buffer.append("stdout", "x\n");
  expect(buffer.show().head.length).toBe(1);
});

test("long output keeps its beginning and its end and counts the rest", () => {
  const buffer = new OutputBuffer(10, 10);
  buffer.append("stdout", "0123456789abcdef");
  buffer.append("stdout", "ghijklmnop");
  buffer.append("stderr", "qr");
  const shown = buffer.show();
  expect(join(shown.head)).toBe("0123456789");
  expect(join(shown.tail)).toBe("ijklmnopqr");
  expect(shown.dropped).toBe(8);
});

test("one enormous print is cut at once", () => {
  const buffer = new OutputBuffer(10, 10);
  buffer.append("stdout", "x".repeat(1_000_000) + "the end");
  const shown = buffer.show();
  expect(join(shown.tail)).toBe("xxxthe end");
  expect(shown.dropped).toBe(1_000_007 - 20);
});

test("100 MB in small prints stay small and quick", () => {
  const buffer = new OutputBuffer();
  const line = "x".repeat(9_999) + "\n";
  const start = performance.now();
  for (let i = 0; i < 10_000; i += 1) buffer.append("stdout", line);
  expect(performance.now() - start).toBeLessThan(2_000);
  const shown = buffer.show();
  expect(join(shown.head).length + join(shown.tail).length).toBe(120_000);
  expect(shown.dropped).toBe(100_000_000 - 120_000);
});

test("a carriage return starts the line again", () => {
  const buffer = new OutputBuffer();
  for (const part of ["start\n", "10 %\r", "20 %\r", "done\r\n", "next"]) buffer.append("stdout", part);
  expect(join(buffer.show().head)).toBe("start\ndone\nnext");
});

test("a line that is written over takes no room, and stays one, however long it goes on", () => {
  const buffer = new OutputBuffer(1_000, 1_000);
  buffer.append("stdout", "begun\n");
  for (let done = 0; done <= 3_000; done += 1) buffer.append("stdout", `\r${done} of 3000 ${"#".repeat(30)}`);
  const { head, tail, dropped } = buffer.show();
  const text = [...head, ...tail].map((chunk) => chunk.text).join("");
  expect(dropped).toBe(0);
  expect(text.startsWith("begun\n")).toBe(true);
  expect(text.endsWith(`3000 of 3000 ${"#".repeat(30)}`)).toBe(true);
  expect(text.split("#".repeat(30)).length).toBeLessThanOrEqual(3); // the head's last one, and the one that goes on
});
