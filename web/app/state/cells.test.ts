import { expect, test } from "vitest";
import { Console } from "./console.svelte";
import { Notices } from "./notices.svelte";
import { Session } from "./session.svelte";
import type { CellItem } from "./cells.svelte";

function made(): { console: Console; ran: string[] } {
  const console = new Console(new Session({ on: () => () => undefined, call: () => new Promise(() => undefined) } as never), new Notices());
  const ran: string[] = [];
  console.queue.run = (cell) => void ran.push(cell.code);
  return { console, ran };
}

/** The same numbers below a limit for a seed. */
function dice(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => (state = (state * 1_103_515_245 + 12_345) % 2_147_483_648) % Math.max(limit, 1);
}

test("whatever is removed comes back where it was, the last first; nothing else is lost or twice there", () => {
  for (let seed = 1; seed <= 200; seed += 1) {
    const { console } = made();
    const roll = dice(seed);
    const some = (): CellItem => console.items[roll(console.items.length)]!;
    const there = new Set<CellItem>();
    for (let step = 0; step < 30; step += 1) {
      const what = roll(4);
      if (what === 0 || console.items.length === 0) there.add(console.insert(roll(console.items.length + 1), "code", String(step)));
      else if (what === 1) there.add(console.duplicate(some()));
      else if (what === 2) console.move(some(), roll(40) - 5);
      else {
        const before = console.items;
        const count = 1 + roll(before.length);
        for (let each = 0; each < count; each += 1) console.remove(some());
        expect(console.items.length).toBe(before.length - count);
        for (let each = 0; each < count; each += 1) console.undoRemove();
        expect(console.items).toEqual(before);
      }
      expect(new Set(console.items)).toEqual(there);
      expect(console.items.length).toBe(there.size);
    }
  }
});

test("a cell is written and run again in its place; text is not run", () => {
  const { console, ran } = made();
  console.enter("1");
  console.enter("2");
  const [first] = console.items;
  console.write(first!, "3");
  void console.run(first!);
  console.set(console.items[1]!, { kind: "markdown" });
  console.runAll();
  expect(ran).toEqual(["1", "2", "3", "3"]);
  expect(console.texts).toEqual(["3"]);
});
