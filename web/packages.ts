/** What the relay has served of packages stays in this browser, so that it loads again without the network.
 *
 *  It is done here and not by the service worker, which does not control the page's first visit. A file's address has its
 *  hash: it is kept for good, once its bytes are what the hash says. Of anything else the newest answer is kept, for when
 *  the relay is away. */

const STORE = "emerge-packages";
const PREFIX = "/packages/";
const FILES = "/packages/file/";
const LISTINGS = "/packages/simple/";
const GATEWAY = 502; // what is answered for a relay that is away, by a proxy in front of it, and from there on

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
  if (kept) return kept;
  const response = await plain(request).catch(() => null);
  if (!response?.ok) throw new Error(await refusal(response));
  const data = await response.arrayBuffer();
  const copy = (): Response => new Response(data.slice(0), { headers: { "content-type": response.headers.get("content-type") ?? "" } });
  if (await isWhole(request.url, data)) await cache.put(request.url, copy()).catch(() => undefined); // no room: it is not kept
  return copy();
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
