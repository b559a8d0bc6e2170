/** Many numbers and byte strings in one buffer, so that Python and JavaScript cross their border once for all of them.
 *
 * A buffer is: the number of 32-bit words of its head (this word included), the other words of the head, then all
 * bytes one after the other in the order in which the head gives their lengths. ABSENT stands for the length of None.
 * All words are little-endian. The Python half is in py/emerge_wasm/stores/indexeddb/buffer.py.
 */

export const ABSENT = 0xffffffff;

export type Bytes = Uint8Array<ArrayBuffer>;

/** Takes a packed buffer apart: the words of its head, and the bytes that they announce. */
export class Reader {
  private readonly bytes: Bytes;
  private readonly words: DataView;
  private word = 4;
  private position: number;

  constructor(bytes: Bytes) {
    this.bytes = bytes;
    this.words = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.position = this.words.getUint32(0, true) * 4;
  }

  number(): number {
    const value = this.words.getUint32(this.word, true);
    this.word += 4;
    return value;
  }

  /** The next `length` bytes, still in the buffer: whoever keeps them copies them. */
  bytesOf(length: number): Bytes {
    return this.bytes.subarray(this.position, (this.position += length));
  }

  optional(length: number): Bytes | null {
    return length === ABSENT ? null : this.bytesOf(length);
  }
}

/** One buffer of these words and these bytes. */
export function pack(head: number[], parts: Bytes[]): Bytes {
  return packWords([Uint32Array.from(head)], parts);
}

/** The same, of words in several arrays. */
export function packWords(heads: Uint32Array[], parts: Bytes[]): Bytes {
  const words = heads.reduce((total, head) => total + head.length, 1);
  const packed = new Uint8Array(parts.reduce((total, part) => total + part.length, words * 4));
  const into = new Uint32Array(packed.buffer, 0, words); // every machine that browsers are for is little-endian
  into[0] = words;
  let word = 1;
  for (const head of heads) {
    into.set(head, word);
    word += head.length;
  }
  let position = words * 4;
  for (const part of parts) {
    packed.set(part, position);
    position += part.length;
  }
  return packed;
}
