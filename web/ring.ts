/** A stream of bytes from one worker to another in shared memory. The reader can block for it (Atomics.wait), which a
 *  message cannot reach; when it does not, it is nudged by a message.
 *
 *  The memory is WORDS 32-bit words, then the bytes, written round and round. HEAD and TAIL count the bytes written and
 *  read so far, modulo 2³². The writer sets HEAD before it looks whether the reader is BLOCKED, and the reader says that
 *  it is before it looks at HEAD: whichever comes first, none sleeps while there is something to do. STARVED is the same
 *  in the other direction. */

const HEAD = 0;
const TAIL = 1;
const BLOCKED = 2;
const STARVED = 3;
const NUDGED = 4;
const MARK = 5;
const WORDS = 8;
const SIZE = 1 << 20;

export function createRing(size = SIZE): SharedArrayBuffer {
  return new SharedArrayBuffer(WORDS * 4 + size);
}

class Ring {
  protected readonly words: Int32Array;
  protected readonly bytes: Uint8Array;

  constructor(memory: SharedArrayBuffer) {
    this.words = new Int32Array(memory, 0, WORDS);
    this.bytes = new Uint8Array(memory, WORDS * 4);
  }

  /** The number that the reader noted last. */
  get mark(): number {
    return Atomics.load(this.words, MARK);
  }

  set mark(number: number) {
    Atomics.store(this.words, MARK, number);
  }

  protected get filled(): number {
    return (Atomics.load(this.words, HEAD) - Atomics.load(this.words, TAIL)) >>> 0;
  }

  /** The place of a count in the bytes. */
  protected place(word: number): number {
    return (Atomics.load(this.words, word) >>> 0) % this.bytes.length;
  }

  protected advance(word: number, count: number): void {
    Atomics.store(this.words, word, (Atomics.load(this.words, word) + count) | 0);
  }
}

export class RingWriter extends Ring {
  #waiting: Uint8Array[] = [];
  #nudge: () => void;

  /** `nudge`: tell the reader that there is something to read. */
  constructor(memory: SharedArrayBuffer, nudge: () => void) {
    super(memory);
    this.#nudge = nudge;
  }

  /** What does not fit waits for `resume`. */
  write(data: Uint8Array): void {
    this.#waiting.push(data);
    this.resume();
  }

  /** Go on: the reader has made room. */
  resume(): void {
    let next = this.#waiting[0];
    while (next !== undefined && this.#room()) {
      const rest = next.subarray(this.#put(next));
      if (rest.length > 0) this.#waiting[0] = rest;
      else this.#waiting.shift();
      next = this.#waiting[0];
    }
    Atomics.notify(this.words, HEAD);
    if (Atomics.load(this.words, BLOCKED) === 0 && Atomics.exchange(this.words, NUDGED, 1) === 0) this.#nudge();
  }

  #room(): boolean {
    if (this.filled < this.bytes.length) return true;
    Atomics.store(this.words, STARVED, 1);
    return this.filled < this.bytes.length;
  }

  /** Put what fits, up to the end of the memory; how many bytes. */
  #put(data: Uint8Array): number {
    const at = this.place(HEAD);
    const count = Math.min(data.length, this.bytes.length - this.filled, this.bytes.length - at);
    this.bytes.set(data.subarray(0, count), at);
    this.advance(HEAD, count);
    return count;
  }
}

export class RingReader extends Ring {
  #resume: () => void;

  /** `resume`: tell the writer that there is room again. */
  constructor(memory: SharedArrayBuffer, resume: () => void) {
    super(memory);
    this.#resume = resume;
  }

  /** What is there, as own bytes. */
  read(): Uint8Array {
    Atomics.store(this.words, NUDGED, 0);
    const at = this.place(TAIL);
    const found = new Uint8Array(this.filled);
    const first = this.bytes.subarray(at, at + found.length);
    found.set(first);
    found.set(this.bytes.subarray(0, found.length - first.length), first.length);
    this.advance(TAIL, found.length);
    if (Atomics.exchange(this.words, STARVED, 0) === 1) this.#resume();
    return found;
  }

  /** The same; block for it, at most so many milliseconds. */
  wait(milliseconds: number): Uint8Array {
    Atomics.store(this.words, BLOCKED, 1);
    const tail = Atomics.load(this.words, TAIL);
    if (Atomics.load(this.words, HEAD) === tail) Atomics.wait(this.words, HEAD, tail, milliseconds);
    Atomics.store(this.words, BLOCKED, 0);
    return this.read();
  }
}
