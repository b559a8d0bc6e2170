/** How the page is divided: sizes that the user has dragged (Splitter keeps those), and what is folded away. */

import { recall, remember } from "./memory";

const PARTS = ["local", "cluster", "console"] as const;
export type Part = (typeof PARTS)[number];
export type Dock = "below" | "right";

export class Layout {
  folded = $state<Record<Part, boolean>>({ local: false, cluster: false, console: false });

  /** Where the console is, where there is room for both. */
  dock = $state<Dock>("below");
  /** The trees take no room at all. */
  treesHidden = $state(false);

  constructor() {
    this.dock = recall("dock") === "right" ? "right" : "below";
    this.treesHidden = recall("trees") === "hidden";
    for (const part of PARTS) this.folded[part] = recall(`folded.${part}`) === "yes";
  }

  fold(part: Part, folded = !this.folded[part]): void {
    this.folded[part] = folded;
    remember(`folded.${part}`, folded ? "yes" : "no");
  }

  /** Put the console below what is open, or to the right of it. */
  move(dock: Dock = this.dock === "below" ? "right" : "below"): void {
    this.dock = dock;
    remember("dock", dock);
    this.fold("console", false);
  }

  hideTrees(hidden = !this.treesHidden): void {
    this.treesHidden = hidden;
    remember("trees", hidden ? "hidden" : "shown");
  }
}
