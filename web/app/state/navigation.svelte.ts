/** What is selected, as the address says it; and which pane a narrow screen shows. */

import type { Where } from "../../protocol";
import { formatRoute, parseRoute, type Route } from "../logic/route";

export type Pane = "local" | "cluster" | "object" | "console";

export class Navigation {
  route = $state.raw<Route | null>(null);
  pane = $state<Pane>("cluster");

  constructor() {
    this.route = parseRoute(location.hash);
    if (this.route !== null) this.pane = "object";
    addEventListener("hashchange", () => (this.route = parseRoute(location.hash)));
  }

  open(where: Where, path: string, version = 0, tab = this.route?.tab ?? ""): void {
    this.#go({ where, path, version, tab });
    this.pane = "object";
  }

  /** Like `open`, but a step back does not lead to where we were (it is gone). */
  replace(route: Route | null): void {
    this.route = route;
    history.replaceState(null, "", route === null ? location.pathname : formatRoute(route));
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
    if (hash === location.hash) this.route = route;
    else location.hash = hash; // hashchange sets the route
  }
}
