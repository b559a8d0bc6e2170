/** The page's entry: starts Python at once (it takes longest), and only then asks for the app's files: a browser fetches
 *  few at a time. */

import { wantsTwoKernels } from "./app/logic/kernels";
import { allowed } from "./app/state/allowed";
import { recall } from "./app/state/memory";
import { Kernel } from "./kernel";

const { deviceMemory } = navigator as { deviceMemory?: number }; // Chromium alone tells it
const wanted = new URLSearchParams(location.search).get("kernels") ?? recall("kernels");
const kernel = new Kernel({ allowed, apart: wantsTwoKernels(wanted, deviceMemory) });
import("./app/show").then(({ show }) => show(kernel)).catch((error: unknown) => {
  document.body.textContent = `The page could not be loaded: ${String(error)}. Reload it when the relay is there.`;
});

/** Only when all of Python has started (or failed to): what the service worker keeps is what the start just fetched. */
function keepPage(): void {
  navigator.serviceWorker.register("/sw.js").catch((error: unknown) => {
    console.warn("without its service worker the page needs the relay to reload:", error);
  });
}

const awaited = new Set<"kernel" | "cells">(["kernel", "cells"]);
if (import.meta.env.PROD && "serviceWorker" in navigator) {
  for (const each of awaited) kernel.on(each, ({ state }) => state !== "loading" && awaited.delete(each) && awaited.size === 0 && keepPage());
}
