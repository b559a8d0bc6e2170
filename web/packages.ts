/** What the relay has served of packages stays in this browser, so that it loads again without the network.
 *
 *  It is done here and not by the service worker, which does not control the page's first visit. A file's address has its
 *  hash: it is kept once its bytes are what the hash says, until there is too much and it was used longest ago. Of anything
 *  else the newest answer is kept, for when the relay is away. */

const STORE = "emerge-packages";
const PREFIX = "/packages/";
const FILES = "/packages/file/";
const LISTINGS = "/packages/simple/";
const GATEWAY = 502; // what is answered for a relay that is away, by a proxy in front of it, and from there on

const MOST = 512 << 20; // bytes of files that are kept
const SHARE = 0.2; // of what the browser gives, at most
const DAY = 86_400_000; // ms until a file that is used again counts as used later
const SIZE = "x-size";
const USED = "x-used";
/** Told on the worker itself while a file comes: its name, the bytes that are here, and all of them (0: not known). */
const BYTES = "packagebytes";

interface Fetching {
  fetch: typeof fetch;
}

/** Have a worker's `fetch` keep packages. */
export function keepPackages(worker: Fetching): void {
  if (!("caches" in globalThis)) return;
  const plain = worker.fetch.bind(worker);
  worker.fetch = async (input, init) => {
    const request = new Request(input, init);
    const { origin, pathname } = new URL(request.url);
    if (request.method !== "GET" || origin !== location.origin || !pathname.startsWith(PREFIX)) return plain(input, init);
    const cache = await caches.open(STORE).catch(() => null);
    if (cache === null) return plain(input, init);
    return pathname.startsWith(FILES) ? file(cache, request, plain) : latest(cache, request, plain);
  };
}

async function file(cache: Cache, request: Request, plain: typeof fetch): Promise<Response> {
  const kept = await cache.match(request.url);
  if (kept) {
    if (Date.now() - Number(kept.headers.get(USED)) > DAY) await put(cache, request.url, await kept.clone().arrayBuffer(), kept);
    return kept;
  }
  const response = await plain(request).catch(() => null);
  if (!response?.ok) throw new Error(await refusal(response));
  const data = await readAll(response, (done, total) => tell(request.url, done, total));
  if (await isWhole(request.url, data)) await put(cache, request.url, data, response);
  return copyOf(data, response);
}

/** The body of an answer, piece by piece: `hear` is given the bytes that are here, and how many there will be. */
export async function readAll(response: Response, hear: (done: number, total: number) => void): Promise<ArrayBuffer> {
  const total = Number(response.headers.get("content-length") ?? 0);
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let done = 0;
  for (const reader = response.body?.getReader(); ; ) {
    const piece = await reader?.read();
    if (piece === undefined || piece.done) break;
    parts.push(piece.value);
    hear((done += piece.value.length), total);
  }
  return new Blob(parts).arrayBuffer();
}

function tell(url: string, done: number, total: number): void {
  dispatchEvent(new CustomEvent(BYTES, { detail: [decodeURIComponent(url.split("/").at(-1) ?? ""), done, total] }));
}

function copyOf(data: ArrayBuffer, { headers }: Response): Response {
  const own = { [SIZE]: String(data.byteLength), [USED]: String(Date.now()) };
  return new Response(data.slice(0), { headers: { "content-type": headers.get("content-type") ?? "", ...own } });
}

/** Keep a file as the one used last; those used longest ago make room. Where there is none it is not kept. */
async function put(cache: Cache, url: string, data: ArrayBuffer, response: Response): Promise<void> {
  try {
    await cache.put(url, copyOf(data, response));
    const { quota = Infinity } = (await navigator.storage?.estimate().catch(() => undefined)) ?? {};
    await bound(cache, Math.min(MOST, quota * SHARE));
  } catch {
    // no room at all
  }
}

/** Remove the files that were kept or used longest ago, down to so many bytes; never the last one. */
export async function bound(cache: Cache, most: number): Promise<void> {
  const files = (await cache.keys()).filter(({ url }) => new URL(url).pathname.startsWith(FILES)); // in the order of `put`
  const sizes = await Promise.all(files.map(async (each) => Number((await cache.match(each))?.headers.get(SIZE) ?? 0)));
  let left = sizes.reduce((sum, size) => sum + size, 0);
  for (const [at, each] of files.slice(0, -1).entries()) {
    if (left <= most) return;
    if (await cache.delete(each)) left -= sizes[at] ?? 0;
  }
}

/** Why there is no file, for Python to find in the error (loader.py): whoever installs it would take any answer for one. */
async function refusal(response: Response | null): Promise<string> {
  const told = (await response?.json().catch(() => null)) as { message?: string } | null | undefined;
  return `the relay says: ${told?.message ?? (response ? `status ${response.status}` : "nothing, it is out of reach")}`;
}

/** Metadata beside a file has no hash in its address; whoever asks for it checks it. */
async function isWhole(url: string, data: ArrayBuffer): Promise<boolean> {
  const [hash, name] = new URL(url).pathname.slice(FILES.length).split("/");
  if (name === undefined || name.endsWith(".metadata")) return true;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("") === hash;
}

interface Listing {
  files: { url: string }[];
}

/** The answer about one package, with the files that the last one had and this one has not, as far as they are kept: a
 *  version that was used loads without the relay when there is a newer one, too. */
async function withKept(cache: Cache, request: Request, response: Response): Promise<Response> {
  if (!new URL(request.url).pathname.startsWith(LISTINGS)) return response;
  const [last, now] = [await (await cache.match(request.url))?.json(), await response.json()] as [Listing | undefined, Listing];
  const there = new Set(now.files.map(({ url }) => url));
  const others = (last?.files ?? []).filter(({ url }) => !there.has(url));
  return listing(response, { ...now, files: [...now.files, ...(await onlyKept(cache, others))] });
}

/** What is kept of an answer, to be used without the relay: of one about a package the files that are here, if any. */
async function usable(cache: Cache, request: Request): Promise<Response | undefined> {
  const kept = await cache.match(request.url);
  if (!kept || !new URL(request.url).pathname.startsWith(LISTINGS)) return kept;
  const last = (await kept.clone().json()) as Listing;
  const files = await onlyKept(cache, last.files);
  return files.length > 0 ? listing(kept, { ...last, files }) : kept;
}

async function onlyKept(cache: Cache, files: Listing["files"]): Promise<Listing["files"]> {
  const found = await Promise.all(files.map(({ url }) => cache.match(url)));
  return files.filter((_, at) => found[at] !== undefined);
}

function listing(response: Response, body: Listing): Response {
  return new Response(JSON.stringify(body), { headers: { "content-type": response.headers.get("content-type") ?? "" } });
}

async function latest(cache: Cache, request: Request, plain: typeof fetch): Promise<Response> {
  let response: Response | null = null;
  try {
    response = await plain(request);
    if (response.status < GATEWAY) {
      if (response.ok) await keep(cache, request, response.clone()).catch(() => undefined);
      return response;
    }
  } catch (error) {
    const kept = await usable(cache, request);
    if (kept) return kept;
    throw error;
  }
  return (await usable(cache, request)) ?? response;
}

async function keep(cache: Cache, request: Request, response: Response): Promise<void> {
  await cache.put(request.url, await withKept(cache, request, response));
}
