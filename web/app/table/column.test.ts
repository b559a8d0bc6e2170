import { describe, expect, it } from "vitest";
import { compareValues, nextSort } from "./column";

describe("values in a column", () => {
  it("are ordered by what they are, the same however they lie", () => {
    const orders: unknown[][] = [
      [-2, 0, 1.5, 10, Number.POSITIVE_INFINITY, Number.NaN],
      ["w1", "w2", "w10", "x"],
      [false, true],
      [new Date("2024-01-02"), new Date("2024-01-10")],
      [1n, 9n, 10n],
    ];
    for (const order of orders) {
      for (let turn = 0; turn < order.length; turn++) {
        const mixed = [...order.slice(turn), ...order.slice(0, turn)].reverse();
        expect(mixed.sort(compareValues)).toEqual(order);
      }
    }
  });
});

describe("a click on a header", () => {
  it("goes round", () => {
    const first = nextSort(null, "a");
    expect(first).toEqual({ id: "a", descending: false });
    const second = nextSort(first, "a");
    expect(second).toEqual({ id: "a", descending: true });
    expect(nextSort(second, "b")).toEqual({ id: "b", descending: false });
    expect(nextSort(second, "a")).toBeNull();
  });
});
