/** Going back through earlier cells with the arrow keys, and forth again to what was being typed. */

export class HistoryWalk {
  #texts: () => string[];
  #walked: string[] = [];
  #at = 0;
  #shown: string | null = null;

  /** `texts` gives the earlier cells, the oldest first. */
  constructor(texts: () => string[]) {
    this.#texts = texts;
  }

  /** The text one step back (-1) or forth (1) from what is in the editor now; null when there is none. */
  step(direction: -1 | 1, current: string): string | null {
    if (this.#shown === null || current !== this.#shown) {
      if (direction > 0) return null; // edited, or not walking: down is just down
      this.#walked = [...this.#texts(), current];
      this.#at = this.#walked.length - 1;
    }
    const next = this.#walked[this.#at + direction];
    if (next === undefined) return null;
    this.#at += direction;
    this.#shown = next;
    return next;
  }

  reset(): void {
    this.#shown = null;
  }
}
