/** How the page is divided: sizes that the user has dragged (Splitter keeps those), and what is folded away. */

import { recall, remember } from "./memory";

const PARTS = ["local", "cluster", "console"] as const;
export type Part = (typeof PARTS)[number];

export class Layout {
  folded = $state<Record<Part, boolean>>({ local: false, cluster: false, console: false });

  constructor() {
    for (const part of PARTS) this.folded[part] = recall(`folded.${part}`) === "yes";
  }

  fold(part: Part, folded = !this.folded[part]): void {
    this.folded[part] = folded;
    remember(`folded.${part}`, folded ? "yes" : "no");
  }
}
