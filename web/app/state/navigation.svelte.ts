/** What is selected, as the address says it; and which pane a narrow screen shows. */

import type { Where } from "../../protocol";
import { formatRoute, parseRoute, type Route } from "../logic/route";

const narrow = matchMedia("(max-width: 760px)");

export type Pane = "local" | "cluster" | "object" | "console";

export class Navigation {
  route = $state.raw<Route | null>(null);
  #pane = $state<Pane>("cluster");

  constructor() {
    this.#read(history.state);
    addEventListener("popstate", ({ state }) => this.#read(state));
  }

  get pane(): Pane {
    return this.#pane;
  }

  /** On a narrow screen another pane is a step of its own, so that Back leads to the one before. */
  set pane(pane: Pane) {
    if (pane === this.#pane) return;
    this.#pane = pane;
    if (narrow.matches) history.pushState({ pane }, "");
    else this.#keep();
  }

  open(where: Where, path: string, version = 0, tab = this.route?.tab ?? ""): void {
    this.#go({ where, path, version, tab });
  }

  /** Like `open`, but a step back does not lead to where we were (it is gone). */
  replace(route: Route | null): void {
    this.route = route;
    history.replaceState({ pane: this.#pane }, "", route === null ? location.pathname : formatRoute(route));
  }

  /** Tabs change the address but make no step of their own. */
  show(tab: string): void {
    if (this.route !== null) this.replace({ ...this.route, tab });
  }

  isAt(where: Where, path: string): boolean {
    return this.route?.where === where && this.route.path === path;
  }

  #go(route: Route): void {
    const hash = formatRoute(route);
    if (hash !== location.hash) history.pushState({ pane: "object" }, "", hash);
    else if (this.#pane !== "object") this.pane = "object";
    this.#pane = "object";
    this.route = route;
  }

  /** What an entry of the browser's history shows: an address that was typed has no pane yet. */
  #read(state: unknown): void {
    this.route = parseRoute(location.hash);
    const kept = (state as { pane?: Pane } | null)?.pane;
    this.#pane = kept ?? (this.route === null ? "cluster" : "object");
    this.#keep();
  }

  #keep(): void {
    history.replaceState({ pane: this.#pane }, "");
  }
}
