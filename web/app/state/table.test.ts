import { describe, expect, test } from "vitest";
import type { Pointer, TableQuestion, TableRow } from "../../protocol";
import type { Port } from "../port";
import { ObjectTable } from "./table.svelte";

/** A place whose answers come when the test says so: of 3 rows for a question with a filter, of 500 without. */
class SlowPlace {
  readonly waiting: (() => void)[] = [];

  port(): Port {
    const pointer = (at: number): object => ({ path: "/a", name: `r${at}`, type: "file", class_name: "Row" });
    const answers: Record<string, (question: TableQuestion) => unknown> = {
      explain: () => ({ code: false }),
      index: () => ({ state: "", done: 0, total: 0, error: "", may: false }),
      rows: ({ text }) => ({ rows: Array.from({ length: text === "" ? 200 : 3 }, (_, at) => ({ pointer: pointer(at), cells: {}, series: {}, away: "" })), classes: [{ name: "Row", fields: { n: "int" }, enums: [] }], cursor: text === "" ? "next" : "", scanned: 0, errors: { count: 0, first: [] }, missing: [], stale: "", milliseconds: 0 }),
      pages: () => ({ count: 500, cursors: ["", "next", "more"], scanned: 0, errors: { count: 0, first: [] } }),
    };
    const call = (kind: string, question: TableQuestion): Promise<unknown> => new Promise((resolve) => this.waiting.push(() => resolve(answers[kind]?.(question))));
    return { call, on: () => undefined } as unknown as Port;
  }

  async answer(all = true): Promise<void> {
    do this.waiting.shift()?.();
    while ((await Promise.resolve().then(() => new Promise((resolve) => setTimeout(resolve))), all && this.waiting.length > 0));
  }
}

/** Numbers from 0 to below one, the same for the same seed. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 1103515245 + 12345) % 2 ** 31) / 2 ** 31;
}

describe("what is shown", () => {
  test("has its cells, however many fields a class has and whichever are chosen", async () => {
    const names = Array.from({ length: 60 }, (_, at) => `f${at}`);
    const row = (asked: string[]): TableRow => ({ pointer: { path: "/a", name: "r", type: "file", class_name: "Wide" } as Pointer, cells: Object.fromEntries([...names.slice(0, 24), ...asked].map((name) => [name, name])), series: {}, away: "" });
    const call = async (kind: string, question: { fields: string[] }): Promise<unknown> =>
      kind === "rows" ? { rows: [row(question.fields)], classes: [{ name: "Wide", fields: Object.fromEntries(names.map((name) => [name, "str"])), enums: [] }], cursor: "", scanned: 0, errors: { count: 0, first: [] }, missing: [], stale: "", milliseconds: 0 } : {};
    const random = numbers(7);
    const table = new ObjectTable({ call, on: () => undefined } as unknown as Port, "local", "/a", true);
    const settled = (): Promise<unknown> => new Promise((resolve) => setTimeout(resolve));
    table.chosen = { "field:f50": true }; // as it was left
    await table.start();
    for (let turn = 0; turn < 20; turn += 1) {
      await settled();
      const shown = table.columns.filter(({ id, own }) => own && !table.hidden.includes(id));
      expect(shown.map(({ text }) => table.source.rows.map(text))).toEqual(shown.map(({ field }) => [field]));
      if (random() < 0.3) await table.start(random() < 0.5);
      else if (random() < 0.3) table.order({ id: `field:f${Math.floor(random() * 60)}`, descending: false });
      else table.show(`field:f${Math.floor(random() * 60)}`, random() < 0.8);
    }
  });
});

describe("what is marked", () => {
  test("is of the rows that were there when it was marked, whenever answers come", async () => {
    for (let seed = 1; seed <= 40; seed += 1) {
      const random = numbers(seed);
      const place = new SlowPlace();
      const table = new ObjectTable(place.port(), "local", "/a", true);
      void table.start();
      await place.answer();
      let marked: string | undefined;
      for (let turn = 0; turn < 12; turn += 1) {
        const what = random();
        if (what < 0.3) {
          table.filters = random() < 0.5 ? {} : { "field:n": `>${turn}` };
          void table.start(true);
        } else if (what < 0.6) {
          if (table.selection.size(table.source.count) === 0) table.selection.toggleAll(table.source.count);
          marked = table.source.asked?.text;
        } else await place.answer(what < 0.8);
        if (table.selection.size(table.source.count) > 0) expect(table.source.asked?.text, `seed ${seed}`).toBe(marked);
      }
    }
  });

  test("goes before what it is of does: all of 3 are never all of 500", async () => {
    const place = new SlowPlace();
    const table = new ObjectTable(place.port(), "local", "/a", true);
    void table.start();
    await place.answer();
    table.filters = { "field:n": ">1" };
    void table.start(true);
    await place.answer();
    expect([table.source.count, table.shownExpression]).toEqual([3, "o.n > 1"]);
    table.filters = {};
    void table.start(true);
    table.selection.toggleAll(table.source.count);
    expect([table.selection.size(table.source.count), table.answered]).toEqual([3, false]);
    await place.answer();
    expect([table.source.count, table.selection.size(table.source.count), table.answered]).toEqual([500, 0, true]);
  });
});
