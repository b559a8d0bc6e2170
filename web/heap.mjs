/** The file of a memory snapshot: Pyodide's own, without zeros (two fifths of it) and without what a new interpreter's heap
 *  has already. The build writes it (buildtools/snapshot.mjs), the page and tests restore from it. Plain JavaScript, which
 *  Node reads too.
 *
 *  It is the snapshot's header, the pieces of its heap that are kept, and a table: of each range of the heap its end and its
 *  kind, and how many ranges there are. Numbers are 32-bit words, least byte first. */

const PIECE = 256; // bytes that are looked at together
const WORD = 4; // bytes
const ZEROS = 0;
const KEPT = 1;
const THERE = 2; // in a new heap

/** The bytes before the heap. */
export function headerLength(snapshot) {
  return new DataView(snapshot.buffer, snapshot.byteOffset).getUint32(WORD, true);
}

/** Pack a snapshot. `fresh` is the heap of an interpreter that has not begun. */
export function packSnapshot(snapshot, fresh) {
  const header = headerLength(snapshot);
  const heap = snapshot.subarray(header);
  const ranges = [];
  for (let at = 0; at < heap.length; at += PIECE) {
    const piece = heap.subarray(at, at + PIECE);
    const is = (other) => piece.every((byte, index) => byte === other(at + index));
    const kind = is(() => 0) ? ZEROS : is((place) => fresh[place]) ? THERE : KEPT;
    const last = ranges.at(-1);
    if (last?.kind === kind) last.end = at + piece.length;
    else ranges.push({ begin: at, end: at + piece.length, kind });
  }
  const kept = ranges.filter(({ kind }) => kind === KEPT).map(({ begin, end }) => heap.subarray(begin, end));
  const table = Uint32Array.from([...ranges.flatMap(({ end, kind }) => [end, kind]), ranges.length]);
  return new Uint8Array(concatenated([snapshot.subarray(0, header), ...kept, new Uint8Array(table.buffer)]));
}

function concatenated(parts) {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Put a packed heap (a file from its header's end on) into a heap of zeros and what was `fresh` in it. */
export function unpackHeap(file, heap) {
  const words = new DataView(file.buffer, file.byteOffset, file.byteLength);
  let [at, from] = [0, headerLength(file)];
  for (const { end, kind } of readTable(words)) {
    if (kind === KEPT) {
      heap.set(file.subarray(from, from + end - at), at);
      from += end - at;
    } else if (kind === ZEROS) heap.fill(0, at, end);
    at = end;
  }
}

function readTable(words) {
  const count = words.getUint32(words.byteLength - WORD, true);
  const begin = words.byteLength - WORD * (2 * count + 1);
  return Array.from({ length: count }, (_, number) => {
    const at = begin + 2 * number * WORD;
    return { end: words.getUint32(at, true), kind: words.getUint32(at + WORD, true) };
  });
}

/** The settings of `loadPyodide` that restore a file. `create` makes Pyodide's WebAssembly module. How Python calls C
 *  functions depends on what the engine can, so that pointer stays this engine's. */
export function withSnapshot(file, create) {
  const header = file.slice(0, headerLength(file));
  const size = readTable(new DataView(file.buffer, file.byteOffset, file.byteLength)).at(-1)?.end ?? 0;
  const createPyodideModule = async (settings) => {
    const core = await create(settings);
    const place = (core.__PyRuntime + (core.HEAP32[core.__PyEM_EMSCRIPTEN_TRAMPOLINE_OFFSET >> 2] ?? 0)) >> 2;
    const pointer = core.HEAP32[place];
    if (core.HEAP8.length < size && !core._emscripten_resize_heap(size)) throw new Error(`no ${size} bytes of memory`);
    unpackHeap(file, new Uint8Array(core.HEAP8.buffer));
    core.HEAP32[place] = pointer;
    return core;
  };
  return { _loadSnapshot: header, createPyodideModule };
}
