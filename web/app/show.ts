/** Shows the app: what the page loads while Python starts. */

import { mount } from "svelte";
import type { Kernel } from "../kernel";
import App from "./App.svelte";

export function show(kernel: Kernel): void {
  const target = document.getElementById("app");
  if (target) mount(App, { target, props: { kernel } });
}
