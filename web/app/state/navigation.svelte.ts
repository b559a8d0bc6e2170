/** What is selected, as the address says it; and which pane a narrow screen shows. */

import type { Where } from "../../protocol";
import { formatRoute, parseRoute, type Route } from "../logic/route";

const narrow = matchMedia("(max-width: 760px)");

export type Pane = "local" | "cluster" | "object" | "console";

/** What an entry of the browser's history remembers. */
interface Kept {
  pane: Pane;
  /** The how manieth step it is. */
  at: number;
}

export class Navigation {
  route = $state.raw<Route | null>(null);
  #pane = $state<Pane>("cluster");
  #at = 0;
  /** Closes the dialog that lies over the page; false when there is none. */
  #closeDialog: () => boolean;
  #returning = false;

  constructor(closeDialog: () => boolean) {
    this.#closeDialog = closeDialog;
    this.#read(history.state as Kept | null);
    addEventListener("popstate", ({ state }) => this.#step(state as Kept | null));
  }

  /** Where a dialog lies over the page, a step back closes that and leads nowhere; one to elsewhere closes it too. */
  #step(kept: Kept | null): void {
    if (this.#returning) {
      this.#returning = false;
      return;
    }
    const closed = this.#closeDialog();
    if (closed && kept !== null && kept.at < this.#at) {
      this.#returning = true;
      history.go(this.#at - kept.at);
    } else this.#read(kept);
  }

  get pane(): Pane {
    return this.#pane;
  }

  /** On a narrow screen another pane is a step of its own, so that Back leads to the one before. */
  set pane(pane: Pane) {
    if (pane === this.#pane) return;
    this.#pane = pane;
    if (narrow.matches) this.#push();
    else this.#keep();
  }

  open(where: Where, path: string, version = 0, tab = this.route?.tab ?? ""): void {
    this.#go({ where, path, version, tab });
  }

  /** Like `open`, but a step back does not lead to where we were (it is gone). */
  replace(route: Route | null): void {
    this.route = route;
    history.replaceState(this.#kept, "", route === null ? location.pathname : formatRoute(route));
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
    if (hash === location.hash) this.pane = "object";
    else {
      this.#pane = "object";
      this.#push(hash);
    }
    this.route = route;
  }

  /** What an entry of the browser's history shows: an address that was typed has no pane yet. */
  #read(kept: Partial<Kept> | null): void {
    this.route = parseRoute(location.hash);
    this.#pane = kept?.pane ?? (this.route === null ? "cluster" : "object");
    this.#at = kept?.at ?? this.#at + 1;
    this.#keep();
  }

  get #kept(): Kept {
    return { pane: this.#pane, at: this.#at };
  }

  #push(hash?: string): void {
    this.#at += 1;
    history.pushState(this.#kept, "", hash);
  }

  #keep(): void {
    history.replaceState(this.#kept, "");
  }
}
