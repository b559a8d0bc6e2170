/** The page's entry: starts the kernel at once (it takes longest), then shows the app. */

import { mount } from "svelte";
import App from "./app/App.svelte";
import { allowed } from "./app/state/consent.svelte";
import { Kernel } from "./kernel";

const kernel = new Kernel({ allowed });
const target = document.getElementById("app");
if (target) mount(App, { target, props: { kernel } });

if (import.meta.env.PROD && "serviceWorker" in navigator) {
  navigator.serviceWorker.register("/sw.js").catch((error: unknown) => {
    console.warn("without its service worker the page needs the relay to reload:", error);
  });
}
