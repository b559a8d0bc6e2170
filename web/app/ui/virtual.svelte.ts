/** Draws only the rows of a long list that are in sight: @tanstack/virtual-core as Svelte state. */

import { elementScroll, observeElementOffset, observeElementRect, Virtualizer, type VirtualItem } from "@tanstack/virtual-core";
import { untrack } from "svelte";
import type { Attachment } from "svelte/attachments";

export class VirtualList {
  items = $state.raw<VirtualItem[]>([]);
  total = $state(0);
  #virtualizer: Virtualizer<HTMLElement, HTMLElement>;
  #element: HTMLElement | null = null;
  #count: () => number;
  #height = 26;

  /** `count` is read reactively. Rows are as high as the style's --row. Use it in a component's script. */
  constructor(count: () => number) {
    this.#count = count;
    this.#virtualizer = new Virtualizer(this.#options());
    $effect(() => {
      count();
      untrack(() => this.#update());
    });
  }

  /** For the element that scrolls. */
  readonly attach: Attachment<HTMLElement> = (element) => {
    this.#element = element;
    const measure = (): void => {
      this.#height = Number.parseFloat(getComputedStyle(element).getPropertyValue("--row")) || 26;
      this.#virtualizer.measure();
      this.#update();
    };
    measure();
    const unmount = this.#virtualizer._didMount();
    this.#update();
    const narrow = matchMedia("(max-width: 760px)");
    narrow.addEventListener("change", measure);
    return () => {
      narrow.removeEventListener("change", measure);
      unmount();
      this.#element = null;
    };
  };

  get height(): number {
    return this.#height;
  }

  /** Bring a row into view, with as little movement as that takes. */
  reveal(index: number, align: "auto" | "center" = "auto"): void {
    this.#update();
    this.#virtualizer.scrollToIndex(index, { align });
  }

  #options(): ConstructorParameters<typeof Virtualizer<HTMLElement, HTMLElement>>[0] {
    return {
      count: this.#count(),
      getScrollElement: () => this.#element,
      estimateSize: () => this.#height,
      overscan: 12,
      scrollToFn: elementScroll,
      observeElementRect,
      observeElementOffset,
      onChange: () => this.#show(),
    };
  }

  #update(): void {
    this.#virtualizer.setOptions(this.#options());
    this.#virtualizer._willUpdate();
    this.#show();
  }

  #show(): void {
    this.items = this.#virtualizer.getVirtualItems();
    this.total = this.#virtualizer.getTotalSize();
  }
}
