interface Core {
  HEAP8: Int8Array;
  HEAP32: Int32Array;
  __PyRuntime: number;
  __PyEM_EMSCRIPTEN_TRAMPOLINE_OFFSET: number;
  _emscripten_resize_heap(bytes: number): boolean;
}

/** Makes Pyodide's WebAssembly module (the default export of pyodide.asm.mjs). */
export type CreateCore = (settings: unknown) => Promise<Core>;

export function headerLength(snapshot: Uint8Array): number;
export function packSnapshot(snapshot: Uint8Array, fresh: Uint8Array): Uint8Array;
export function unpackHeap(file: Uint8Array, heap: Uint8Array): void;
export function withSnapshot(file: Uint8Array, create: CreateCore): { _loadSnapshot: Uint8Array; createPyodideModule: CreateCore };
