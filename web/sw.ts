/** The service worker: the page reloads and works with the relay stopped. Plain script, no imports.
 *
 * Files named by a hash are served from the cache for ever; index.html comes from the relay when that answers.
 * The memory snapshot is not its business (the kernel worker keeps it): without it Python starts slower. Libraries that a
 * cell may import are kept when one does; the one for GraphQL at once, since this browser's own filesystem answers it.
 */

/** The hashed files of this build: put in by vite.config.ts. */
declare const __FILES__: string[];

interface Extendable extends Event {
  waitUntil(work: Promise<unknown>): void;
}
interface Fetching extends Event {
  request: Request;
  respondWith(response: Promise<Response>): void;
}
/** The little of a service worker's scope that is used here (TypeScript's own types cannot stand beside the page's). */
interface Scope {
  addEventListener(type: "install" | "activate", listener: (event: Extendable) => void): void;
  addEventListener(type: "fetch", listener: (event: Fetching) => void): void;
  skipWaiting(): Promise<void>;
  clients: { claim(): Promise<void>; matchAll(options: { type: "window" }): Promise<readonly unknown[]> };
}

const scope = self as unknown as Scope;
const files = __FILES__;
const CACHE = "emerge-page";
const SHELL = "/";
const PATIENCE = 3_000; // ms that the relay has to answer before the kept page is shown
const skipped = /\/(snapshot\.bin|[^/]+\.map)$/;
const late = /\/((?!graphql)[^/]+\.whl|katex-[^/]+)$/;
const compiled = /\.wasm$/;
const kept = new Set(files.filter((path) => !skipped.test(path)));

scope.addEventListener("install", (event) => event.waitUntil(install()));
scope.addEventListener("activate", (event) => event.waitUntil(activate()));
scope.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || url.origin !== location.origin) return;
  if (event.request.mode === "navigate" && url.pathname === SHELL) event.respondWith(shell(event.request));
  else if (kept.has(url.pathname)) event.respondWith(compiled.test(url.pathname) ? untouched(event.request) : immutable(event.request));
});

/** Keep what this build needs and the cache lacks; files of the last build stay until nobody runs it. */
async function install(): Promise<void> {
  const cache = await caches.open(CACHE);
  const there = new Set((await cache.keys()).map((request) => new URL(request.url).pathname));
  await cache.addAll([...kept].filter((path) => !late.test(path) && !there.has(path)));
  await keepShell(cache);
  await scope.skipWaiting();
}

async function keepShell(cache: Cache): Promise<void> {
  const response = await fetch(SHELL, { cache: "no-store" });
  if (response.ok) await cache.put(SHELL, response);
}

async function activate(): Promise<void> {
  await scope.clients.claim();
  const open = await scope.clients.matchAll({ type: "window" });
  if (open.length > 1) return; // another tab may still run the last build
  const cache = await caches.open(CACHE);
  for (const request of await cache.keys()) {
    const { pathname } = new URL(request.url);
    if (pathname !== SHELL && !kept.has(pathname)) await cache.delete(request);
  }
}

async function immutable(request: Request): Promise<Response> {
  const cache = await caches.open(CACHE);
  const found = await cache.match(new URL(request.url).pathname);
  if (found) return found;
  const response = await fetch(request);
  if (response.ok) await cache.put(new URL(request.url).pathname, response.clone());
  return response;
}

/** Browsers keep what they made of WebAssembly with the answer of their own cache, and find it by that answer only. */
async function untouched(request: Request): Promise<Response> {
  try {
    const response = await fetch(request);
    if (response.ok) return response;
  } catch {
    // neither it nor the relay is there
  }
  return (await (await caches.open(CACHE)).match(new URL(request.url).pathname)) ?? Response.error();
}

async function shell(request: Request): Promise<Response> {
  const cache = await caches.open(CACHE);
  try {
    const response = await fetch(request, { signal: AbortSignal.timeout(PATIENCE) });
    if (response.ok || response.status < 500) return response;
  } catch {
    // the relay is out of reach: the kept page works without it
  }
  return (await cache.match(SHELL)) ?? Response.error();
}
