/** Draws only the rows of a long list that are in sight: @tanstack/virtual-core as Svelte state. */

import { elementScroll, observeElementOffset, observeElementRect, Virtualizer, type VirtualItem } from "@tanstack/virtual-core";
import { tick, untrack } from "svelte";
import type { Attachment } from "svelte/attachments";

export class VirtualList {
  items = $state.raw<VirtualItem[]>([]);
  /** Known as soon as the rows are: what scrolls must be as high as they before it is scrolled. */
  readonly total = $derived.by(() => this.#count() * this.#height);
  #virtualizer: Virtualizer<HTMLElement, HTMLElement>;
  #element: HTMLElement | null = null;
  #count: () => number;
  #height = $state(26);
  /** Where it is to be scrolled to when the rows are drawn; null: where it is. */
  #wanted: number | null = null;

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
    untrack(measure);
    const unmount = this.#virtualizer._didMount();
    untrack(() => this.#update());
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

  /** How far it is scrolled, or will be, and how much is in sight; in pixels. */
  get sight(): { top: number; room: number } {
    const { scrollTop = 0, clientHeight = 0 } = this.#element ?? {};
    return { top: this.#wanted ?? scrollTop, room: clientHeight };
  }

  /** Bring a row into view, with as little movement as that takes. */
  reveal(index: number): void {
    const { top, room } = this.sight;
    const start = index * this.#height;
    const wanted = Math.min(start, Math.max(top, start + this.#height - room));
    if (wanted !== top) this.scrollTo(wanted);
  }

  /** Scroll when the rows that are there now are drawn: before that there may be no such place. */
  scrollTo(top: number): void {
    const waits = this.#wanted !== null;
    this.#wanted = top;
    if (waits) return;
    void tick().then(() => {
      this.#element?.scrollTo({ top: this.#wanted ?? top, behavior: "instant" });
      this.#wanted = null;
    });
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
  }
}
