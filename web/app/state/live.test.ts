import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Trace } from "../../protocol";
import { Cell } from "./cell.svelte";
import { LiveCells } from "./live.svelte";
import { Session } from "./session.svelte";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const NAMES = ["a", "b", "c"];

/** Three live cells, each of which reads an object of its own. */
function made() {
  const heard = new Map<string, (event: never) => void>();
  const session = new Session({ on: (name: string, listener: (event: never) => void) => void heard.set(name, listener) } as never);
  const ran: string[] = [];
  const live = new LiveCells(session, (cell) => {
    live.begin(cell, true);
    ran.push(cell.code);
    live.watch(cell, 0, traceOf(cell), 1);
  });
  const traceOf = ({ code }: Cell): Trace => ({ reads: [{ where: "local", path: `/${code}` }], writes: [], made: [] });
  const cells = NAMES.map((name, at) => Object.assign(new Cell(name), { run: at + 1 }));
  for (const cell of cells) live.watch(cell, 0, traceOf(cell), 1);
  const change = (name: string): void => heard.get("change")?.({ event: "change", where: "local", operation: "update", path: `/${name}`, pointer: null, author: "" } as never);
  return { live, cells, change, ran };
}

test("whatever is paused when stands still, and then goes on with what has changed meanwhile, and with nothing else", () => {
  for (let seed = 1; seed <= 100; seed += 1) {
    let state = seed;
    const roll = (limit: number): number => (state = (state * 1_103_515_245 + 12_345) % 2_147_483_648) % limit;
    const { live, cells, change, ran } = made();
    const due = new Set<string>();
    for (let step = 0; step < 30; step += 1) {
      const at = roll(3);
      const what = roll(4);
      const before = cells.map((cell) => live.isPaused(cell));
      if (what < 2) {
        change(NAMES[at]!);
        due.add(NAMES[at]!);
      } else if (what === 2) live.pause(cells[at]!, !before[at]);
      else live.pause(null, !live.still);
      ran.length = 0;
      vi.advanceTimersByTime(3_000);
      const free = cells.filter((cell) => !live.isPaused(cell)).map(({ code }) => code);
      expect(new Set(ran)).toEqual(new Set(free.filter((name) => due.has(name))));
      for (const name of ran) due.delete(name);
      expect(cells.filter((cell) => live.isLate(cell)).map(({ code }) => code)).toEqual([...due].sort());
    }
  }
});

test("a pause that comes between a change and its run counts", () => {
  const { live, cells, change, ran } = made();
  change("a");
  live.pause(cells[0]!, true);
  vi.advanceTimersByTime(3_000);
  expect(ran).toEqual([]);
  live.pause(cells[0]!, false);
  vi.advanceTimersByTime(3_000);
  expect(ran).toEqual(["a"]);
});
