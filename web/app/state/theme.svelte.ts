/** Light, dark, or as the system has it; remembered. */

import { recall, remember } from "./memory";

const CHOICES = ["system", "light", "dark"] as const;
type Choice = (typeof CHOICES)[number];

export class Theme {
  choice = $state<Choice>(CHOICES.find((name) => name === recall("theme")) ?? "system");

  constructor() {
    this.#show();
  }

  next(): void {
    this.choice = CHOICES[(CHOICES.indexOf(this.choice) + 1) % CHOICES.length] as Choice;
    remember("theme", this.choice);
    this.#show();
  }

  #show(): void {
    if (this.choice === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = this.choice;
  }
}
