import { expect, test } from "vitest";
import { bound, readAll } from "./packages";

const FILES = "https://relay.test/packages/file/";

/** What a browser's cache does that is needed here: the newest `put` is the last of the keys. */
function made() {
  const kept = new Map<string, Response>();
  const name = (request: RequestInfo | URL): string => (request instanceof Request ? request.url : String(request));
  const cache = {
    match: async (request: RequestInfo | URL) => kept.get(name(request))?.clone(),
    put: async (request: RequestInfo | URL, response: Response) => (kept.delete(name(request)), void kept.set(name(request), response)),
    delete: async (request: RequestInfo | URL) => kept.delete(name(request)),
    keys: async () => [...kept.keys()].map((url) => new Request(url)),
  };
  return { cache: cache as unknown as Cache, urls: () => [...kept.keys()] };
}

test("the files used last are kept, as many as there is room for, and what is no file stays", async () => {
  let state = 7;
  const roll = (limit: number): number => (state = (state * 1_103_515_245 + 12_345) % 2_147_483_648) % limit;
  for (let run = 0; run < 40; run += 1) {
    const { cache, urls } = made();
    const most = 50 + roll(500);
    const order: { url: string; size: number }[] = [];
    await cache.put("https://relay.test/packages/simple/a/", new Response("{}"));
    for (let step = 0; step < 30; step += 1) {
      const url = `${FILES}${roll(12)}/a.whl`;
      const at = order.findIndex((each) => each.url === url);
      const size = at < 0 ? roll(200) : order.splice(at, 1)[0]!.size;
      order.push({ url, size });
      await cache.put(url, new Response("", { headers: { "x-size": String(size) } }));
      await bound(cache, most);
      while (order.length > 1 && order.reduce((sum, each) => sum + each.size, 0) > most) order.shift();
      expect(urls().filter((each) => each.startsWith(FILES))).toEqual(order.map((each) => each.url));
      expect(urls()).toContain("https://relay.test/packages/simple/a/");
    }
  }
});

test("a file comes whole, whatever its pieces, and each is told", async () => {
  for (let seed = 0; seed < 30; seed += 1) {
    const pieces = Array.from({ length: seed % 7 }, (_, at) => new Uint8Array((seed * 37 * (at + 1)) % 400).fill(at + 1));
    const whole = pieces.flatMap((piece) => [...piece]);
    const stream = new ReadableStream<Uint8Array>({ start: (to) => (pieces.forEach((piece) => to.enqueue(piece)), to.close()) });
    const told: [number, number][] = [];
    const data = await readAll(new Response(stream, { headers: { "content-length": String(whole.length) } }), (...each) => told.push(each));
    expect([...new Uint8Array(data)]).toEqual(whole);
    expect(told.length).toBe(pieces.length);
    expect(told.map(([done]) => done)).toEqual([...told.map(([done]) => done)].sort((one, other) => one - other));
    if (told.length > 0) expect(told.at(-1)).toEqual([whole.length, whole.length]);
  }
});
