import { expect, test } from "vitest";
import type { Event, Where } from "../../protocol";
import { Feed, verb } from "./feed.svelte";

type Change = Extract<Event, { event: "change" }>;

function made(): { feed: Feed; happen: (path: string, more?: Partial<Change>) => void } {
  let hear: (change: Change) => void = () => undefined;
  const on = ((_name: string, listener: (change: Change) => void) => ((hear = listener), () => undefined)) as never;
  const feed = new Feed({ on }, "cluster");
  const happen = (path: string, more: Partial<Change> = {}): void => hear({ event: "change", where: "cluster" as Where, operation: "store", path, pointer: null, author: "ann", ...more });
  return { feed, happen };
}

test("however much happens, the newest are shown, and no more", async () => {
  const { feed, happen } = made();
  for (let number = 0; number < 1000; number += 1) happen(`/n/${number}`);
  await Promise.resolve();
  expect(feed.shown.length).toBe(200);
  expect(feed.shown[0]).toMatchObject({ path: "/n/999", author: "ann" });
  expect(new Set(feed.shown.map(({ id }) => id)).size).toBe(200);
});

test("paused, it stands still and counts; then it shows what it missed", async () => {
  const { feed, happen } = made();
  happen("/a");
  await Promise.resolve();
  feed.pause();
  for (let number = 0; number < 300; number += 1) happen(`/b${number}`);
  await Promise.resolve();
  expect([feed.shown.map(({ path }) => path), feed.waiting]).toEqual([["/a"], 300]);
  feed.pause(false);
  expect([feed.shown[0]?.path, feed.waiting]).toEqual(["/b299", 0]);
});

test("it is about one place, and each operation has a word", async () => {
  const { feed, happen } = made();
  happen("/here", { where: "local" });
  await Promise.resolve();
  expect(feed.shown).toEqual([]);
  expect(verb({ operation: "mv", gone: true })).not.toBe(verb({ operation: "mv", gone: false }));
  expect(verb({ operation: "something new", gone: false })).toBe("something new");
});
