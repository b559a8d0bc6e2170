/** What a cell prints, kept within bounds: the first part and the last, and a count of what lies between. */

export type Stream = "stdout" | "stderr";

/** A run of text of one stream; never changed once made, so it can be drawn once. */
export interface Chunk {
  id: number;
  stream: Stream;
  text: string;
}

export interface Shown {
  head: Chunk[];
  /** Characters left out between head and tail. */
  dropped: number;
  tail: Chunk[];
}

const MERGE_BELOW = 2_000;

export class OutputBuffer {
  #head: Chunk[] = [];
  #tail: Chunk[] = [];
  #headRoom: number;
  #tailLimit: number;
  #tailLength = 0;
  #nextId = 1;
  dropped = 0;

  constructor(head = 60_000, tail = 60_000) {
    this.#headRoom = head;
    this.#tailLimit = tail;
  }

  get empty(): boolean {
    return this.#head.length === 0;
  }

  append(stream: Stream, text: string): void {
    if (this.#headRoom > 0) {
      const part = text.slice(0, this.#headRoom);
      this.#headRoom -= part.length;
      this.#push(this.#head, stream, part);
      text = text.slice(part.length);
    }
    if (text === "") return;
    if (text.length > this.#tailLimit) {
      this.dropped += text.length - this.#tailLimit;
      text = text.slice(-this.#tailLimit);
    }
    this.#tailLength += this.#push(this.#tail, stream, text);
    this.#trim();
  }

  /** A copy to draw. */
  show(): Shown {
    return { head: [...this.#head], dropped: this.dropped, tail: [...this.#tail] };
  }

  /** How many characters there are more: fewer than were written, where a line was written over. */
  #push(list: Chunk[], stream: Stream, text: string): number {
    const last = list.at(-1);
    if (last === undefined || last.stream !== stream) return this.#set(list, list.length, stream, overwrite(text));
    if (last.text.length + text.length < MERGE_BELOW) return this.#set(list, list.length - 1, stream, overwrite(last.text + text));
    const begun = text.includes("\r") ? last.text.lastIndexOf("\n") + 1 : last.text.length; // a line that may be written over
    const grown = begun < last.text.length ? this.#set(list, list.length - 1, stream, last.text.slice(0, begun)) : 0;
    return grown + this.#set(list, list.length, stream, overwrite(last.text.slice(begun) + text));
  }

  #set(list: Chunk[], index: number, stream: Stream, text: string): number {
    const before = list[index]?.text.length ?? 0;
    list[index] = { id: this.#nextId++, stream, text };
    return text.length - before;
  }

  #trim(): void {
    let excess = this.#tailLength - this.#tailLimit;
    let gone = 0;
    while (excess > 0) {
      const first = this.#tail[gone] as Chunk;
      if (first.text.length <= excess) {
        gone += 1;
        excess -= first.text.length;
        this.#count(first.text.length);
      } else {
        this.#tail[gone] = { ...first, id: this.#nextId++, text: first.text.slice(excess) };
        this.#count(excess);
        excess = 0;
      }
    }
    if (gone > 0) this.#tail.splice(0, gone);
  }

  #count(length: number): void {
    this.dropped += length;
    this.#tailLength -= length;
  }
}

/** A carriage return starts its line again, as progress bars expect. */
function overwrite(text: string): string {
  return text.includes("\r") ? text.replace(/\r+\n/g, "\n").replace(/[^\n\r]*\r+(?=[^\n])/g, "") : text;
}
