/** The archives that Python imports from: the standard library, and the kernel's own. One that was restored has imported
 *  all that a start needs: it finds them empty, and they are filled later, or when it reads one of them. */

import type { PyodideAPI } from "pyodide";
import type { Archives } from "./protocol";

export const STDLIB = "python_stdlib.zip";
const LIBRARIES = "libraries.tar";
const BLOCK = 512; // bytes, of a tar archive
const FAILED = 29; // Emscripten's EIO

type Files = PyodideAPI["FS"];
interface FileNode {
  contents: Uint8Array;
  usedBytes: number;
}

export async function fetchBytes(url: string): Promise<ArrayBuffer> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return response.arrayBuffer();
}

export async function fetchArchives(base: string): Promise<Archives> {
  const [stdlib, libraries] = await Promise.all([fetchBytes(base + STDLIB), fetchBytes(base + LIBRARIES)]);
  return { stdlib, libraries };
}

/** Put the kernel's libraries (buildtools/distribution.py) where Python finds them: a few files, and archives of all that
 *  it can import from some, which a `restored` Python knows. */
export function addLibraries(archive: ArrayBuffer, py: PyodideAPI, restored: boolean): void {
  const folder = py.runPython("import sys; sys.path[-1]") as string;
  unpackTar(new Uint8Array(archive), py.FS, folder);
  if (!restored) py.runPython(`sys.path[-1:-1] = [f"${folder}/{name}.zip" for name in ("libraries", "tzdata")]`);
}

/** Promise all archives to a Python that was restored. The returned function fills them. */
export function promiseArchives(base: string, py: PyodideAPI): () => Promise<void> {
  const paths = (py.runPython("import sys; ':'.join(sys.path)") as string).split(":");
  const [stdlib = "", ...others] = paths.filter((path) => path.endsWith(".zip"));
  const standard = new Promised(py.FS, [stdlib], base + STDLIB, (bytes) => py.FS.writeFile(stdlib, bytes, { canOwn: true }));
  const own = new Promised(py.FS, others, base + LIBRARIES, (bytes) => unpackTar(bytes, py.FS, paths.at(-1) ?? ""));
  return async () => void (await Promise.all([standard.fill(), own.fill()]));
}

/** Files whose bytes are fetched when the first of them is read, which waits for them: a file system here can do no other. */
class Promised {
  #due = true;
  #nodes: FileNode[];
  #fs: Files;
  #url: string;
  #put: (bytes: Uint8Array) => void;

  constructor(fs: Files, paths: string[], url: string, put: (bytes: Uint8Array) => void) {
    this.#fs = fs;
    this.#url = url;
    this.#put = put;
    this.#nodes = paths.map((path) => this.#promise(path));
  }

  async fill(): Promise<void> {
    if (this.#due) this.#keep(await fetchBytes(this.#url));
  }

  #promise(path: string): FileNode {
    this.#fs.writeFile(path, new Uint8Array());
    const { node } = this.#fs.lookupPath(path, {}) as { node: FileNode };
    const read = (): FileNode => (this.#fetchNow(), node);
    return Object.defineProperties(node, {
      contents: { configurable: true, get: () => read().contents },
      usedBytes: { configurable: true, get: () => read().usedBytes },
    });
  }

  #fetchNow(): void {
    const request = new XMLHttpRequest();
    request.open("GET", this.#url, false);
    request.responseType = "arraybuffer";
    try {
      request.send();
      if (request.status !== 200) throw new Error(`status ${request.status}`);
    } catch (error) {
      console.warn(`Python cannot import from ${this.#url}, which did not come; reload the page when the relay is there:`, error);
      throw new this.#fs.ErrnoError(FAILED);
    }
    this.#keep(request.response as ArrayBuffer);
  }

  #keep(bytes: ArrayBuffer): void {
    if (!this.#due) return;
    this.#due = false;
    for (const node of this.#nodes) {
      Object.defineProperties(node, {
        contents: { value: new Uint8Array(), writable: true, enumerable: true },
        usedBytes: { value: 0, writable: true, enumerable: true },
      });
    }
    this.#put(new Uint8Array(bytes));
  }
}

const decoder = new TextDecoder();

/** Unpack a tar archive (regular files only) into a folder of Pyodide's file system. */
function unpackTar(archive: Uint8Array, fs: Files, folder: string): void {
  for (let at = 0; archive[at]; ) {
    const [name, prefix] = [text(archive, at, 100), text(archive, at + 345, 155)];
    const path = `${folder}/${prefix && `${prefix}/`}${name}`;
    const size = Number.parseInt(text(archive, at + 124, 12), 8);
    at += BLOCK;
    fs.mkdirTree(path.slice(0, path.lastIndexOf("/")));
    fs.writeFile(path, archive.subarray(at, at + size));
    at += Math.ceil(size / BLOCK) * BLOCK;
  }
}

function text(bytes: Uint8Array, start: number, length: number): string {
  const field = bytes.subarray(start, start + length);
  const end = field.indexOf(0);
  return decoder.decode(end < 0 ? field : field.subarray(0, end)).trim();
}
