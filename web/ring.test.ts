import { expect, test } from "vitest";
import { createRing, RingReader, RingWriter } from "./ring";

function join(parts: Uint8Array[]): number[] {
  return parts.flatMap((part) => [...part]);
}

test("whatever is written in whatever pieces is read in order, through a ring of any size", () => {
  let seed = 7;
  const random = (most: number): number => (seed = (seed * 48271) % 2147483647) % most;
  for (const size of [1, 2, 7, 64]) {
    const memory = createRing(size);
    let nudged = 0;
    const writer = new RingWriter(memory, () => (nudged += 1));
    const reader = new RingReader(memory, () => writer.resume());
    const written: Uint8Array[] = [];
    const read: Uint8Array[] = [];
    for (let round = 0; round < 200; round++) {
      const data = Uint8Array.from({ length: random(40) }, () => random(256));
      written.push(data);
      writer.write(data);
      if (random(3) > 0) read.push(random(2) > 0 ? reader.read() : reader.wait(0));
    }
    for (let part = reader.read(); part.length > 0; part = reader.read()) read.push(part);
    expect(join(read)).toEqual(join(written));
    expect(nudged).toBeGreaterThan(0);
  }
});

test("counts that pass 2³² go on", () => {
  const memory = createRing(64);
  new Int32Array(memory).set([-24, -24]);
  const writer = new RingWriter(memory, () => undefined);
  const reader = new RingReader(memory, () => writer.resume());
  for (const value of [1, 2, 3]) {
    writer.write(new Uint8Array(20).fill(value));
    expect([...reader.read()]).toEqual(Array.from({ length: 20 }, () => value));
  }
});

test("one that does not block is nudged once until it reads", () => {
  let nudged = 0;
  const memory = createRing();
  const writer = new RingWriter(memory, () => (nudged += 1));
  const reader = new RingReader(memory, () => undefined);
  writer.write(new Uint8Array(1));
  writer.write(new Uint8Array(1));
  expect(nudged).toBe(1);
  expect(reader.read().length).toBe(2);
  writer.write(new Uint8Array(1));
  expect(nudged).toBe(2);
});
