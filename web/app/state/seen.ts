/** What was last seen of the cluster, for when it is out of reach: listings and objects, each marked with when that was.
 *
 *  It belongs to a principal on a cluster: whoever is another, or signed in no longer, finds nothing of it. It is bounded;
 *  what was seen longest ago goes first. */

import type { Calls, Connection, Kind, Where } from "../../protocol";
import { KernelError } from "../../kernel_worker";
import { completeView } from "../logic/view";
import type { Port } from "../port";
import { type Seen, type Sighting, withPageStore } from "./page-store";

const MOST = 500;
const MOST_BYTES = 16 << 20;
const SCOPE = "scope";

/** The port, which remembers what the cluster answers, and answers with it when the cluster does not. */
export class SeenPort implements Port {
  #port: Port;
  #scope: Promise<string>;
  /** Size of each that is kept, in the order in which they were seen. */
  #sizes: Promise<Map<string, number>>;

  constructor(port: Port) {
    this.#port = port;
    this.#scope = withPageStore("", async (store) => (await store.get("memory", SCOPE)) ?? "");
    this.#sizes = readSizes();
    port.on("connection", ({ connection }) => this.#follow(connection));
  }

  get interruptible(): boolean {
    return this.#port.interruptible;
  }
  get apart(): boolean {
    return this.#port.apart;
  }
  give: Port["give"] = (run, file) => this.#port.give(run, file);
  take: Port["take"] = (run) => this.#port.take(run);
  on: Port["on"] = (name, listener) => this.#port.on(name, listener);
  interrupt: Port["interrupt"] = () => this.#port.interrupt();
  restart: Port["restart"] = () => this.#port.restart();
  hurry: Port["hurry"] = () => this.#port.hurry();

  async call<K extends Kind>(kind: K, args: Calls[K][0]): Promise<Calls[K][1]> {
    const key = keyOf(kind, args);
    if (key === null) return this.#port.call(kind, args);
    try {
      const result = await this.#port.call(kind, args);
      void this.#remember(key, result as Seen);
      return result;
    } catch (error) {
      const seen = error instanceof KernelError && error.failure.code === "Unavailable" ? await this.#recall(key) : null;
      if (seen === null) throw error;
      const value = "methods" in seen.value ? completeView(seen.value) : seen.value;
      return { ...value, stale: value.stale || seen.date } as Calls[K][1];
    }
  }

  #follow(connection: Connection): void {
    const scope = scopeOf(connection);
    if (scope !== null) this.#begin(scope);
  }

  /** From now on it is this one's; what was another's goes. */
  #begin(scope: string): void {
    this.#scope = this.#scope.then(async (before) => {
      if (before === scope) return scope;
      await withPageStore(undefined, async (store) => {
        const change = store.transaction(["seen", "memory"], "readwrite");
        void change.objectStore("seen").clear();
        void change.objectStore("memory").put(scope, SCOPE);
        await change.done;
      });
      this.#sizes = Promise.resolve(new Map());
      return scope;
    });
  }

  async #remember(key: string, value: Seen): Promise<void> {
    const scope = await this.#scope;
    if (scope === "" || value.stale !== "") return;
    const size = JSON.stringify(value).length;
    if (size > MOST_BYTES / 8) return;
    const sizes = await this.#sizes;
    sizes.delete(key);
    sizes.set(key, size);
    const gone = surplus(sizes);
    for (const each of gone) sizes.delete(each);
    const sighting: Sighting = { scope, date: new Date().toISOString(), size, value };
    await withPageStore(undefined, async (store) => {
      const { done, store: seen } = store.transaction("seen", "readwrite");
      void seen.put(sighting, key);
      for (const each of gone) void seen.delete(each);
      await done;
    });
  }

  async #recall(key: string): Promise<Sighting | null> {
    const scope = await this.#scope;
    const found = await withPageStore(undefined, (store) => store.get("seen", key));
    return found !== undefined && scope !== "" && found.scope === scope ? found : null;
  }
}

/** Who is signed in, and at which cluster; "" is nobody, null not known. */
export function scopeOf(connection: Connection): string | null {
  if (connection.state === "connected") return `${connection.principal}@${connection.cluster}`;
  return connection.state === "offline" && connection.refused ? "" : null;
}

/** The name under which an answer is kept; null: it is not. */
export function keyOf<K extends Kind>(kind: K, args: Calls[K][0]): string | null {
  const { where, path, cursor = "", version = 0 } = args as { where?: Where; path?: string; cursor?: string; version?: number };
  if (where !== "cluster" || version !== 0 || !(kind === "list" || kind === "open" || isListing(kind, args))) return null;
  return `${kind} ${path}\n${cursor}`;
}

/** A table of a directory's entries as they are; what was searched is not kept. */
function isListing<K extends Kind>(kind: K, args: Calls[K][0]): boolean {
  if (kind !== "rows") return false;
  const { inside, text, order } = args as Calls["rows"][0];
  return inside && text === "" && order === "";
}

/** What must go, those seen longest ago first, so that the rest is within the bounds. */
export function surplus(sizes: Map<string, number>, most = MOST, bytes = MOST_BYTES): string[] {
  let total = [...sizes.values()].reduce((sum, size) => sum + size, 0);
  let count = sizes.size;
  const gone: string[] = [];
  for (const [key, size] of sizes) {
    if (count <= most && total <= bytes) break;
    gone.push(key);
    count -= 1;
    total -= size;
  }
  return gone;
}

function readSizes(): Promise<Map<string, number>> {
  return withPageStore(new Map<string, number>(), async (store) => {
    const [keys, rows] = await Promise.all([store.getAllKeys("seen"), store.getAll("seen")]);
    const order = rows.map((row, index) => ({ key: keys[index] as string, date: row.date, size: row.size }));
    order.sort((one, other) => one.date.localeCompare(other.date));
    return new Map(order.map(({ key, size }) => [key, size]));
  });
}
