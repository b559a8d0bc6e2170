/** The kernel worker's side of guest workers: hands them their files and ferries bytes. A JavaScript module of Python. */

import type { Files } from "./guest";
import { fetchSnapshot } from "./snapshot";

const NAMES = ["pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip", "pyodide-lock.json", "libraries.tar"] as const;

export interface Settings {
  /** Where Pyodide is served. */
  base: string;
  /** The guest's script. */
  script: string;
  /** Asks the page for a line to a closed-in document. */
  line(): Promise<MessagePort>;
}

export interface Guest {
  send(data: Uint8Array): void;
  /** Ends it, whatever it does. */
  close(): void;
}

let settings: Settings | null = null;
let line: Promise<MessagePort> | null = null;
const broken = new Map<number, (detail: string) => void>();
let next = 1;

export function configure(given: Settings): void {
  settings = given;
}

/** Start one. `hear` is given its messages, `lost` why there will be none any more. Rejects when it cannot start. */
export async function open(hear: (data: Uint8Array) => void, lost: (detail: string) => void): Promise<Guest> {
  const { base, script } = settings ?? missing();
  const [files, text, control] = await Promise.all([fetchFiles(base), fetchText(script), (line ??= openLine())]);
  const number = next++;
  const { port1: port, port2 } = new MessageChannel();
  const close = (): void => {
    control.postMessage({ close: number });
    broken.delete(number);
    port.close();
  };
  return new Promise((resolve, reject) => {
    const fail = (detail: string): void => {
      close();
      reject(new Error(detail));
    };
    broken.set(number, fail);
    port.onmessage = ({ data }) => {
      if (data !== "ready") return fail(String(data));
      broken.set(number, lost);
      port.onmessage = (event: MessageEvent<Uint8Array>) => (event.data instanceof Uint8Array ? hear(event.data) : lost("it sent what it must not"));
      resolve({ send: (data) => port.postMessage(data), close });
    };
    control.postMessage({ open: number, script: text }, [port2]);
    port.postMessage(files, Object.values(files).filter((file) => file !== null));
  });
}

function missing(): never {
  throw new Error("this page closes nothing in");
}

async function openLine(): Promise<MessagePort> {
  try {
    const port = await (settings ?? missing()).line();
    port.onmessage = ({ data }: MessageEvent<{ broken: number; detail: string }>) => broken.get(data.broken)?.(data.detail);
    return port;
  } catch (error) {
    line = null; // the next one asks again
    throw error;
  }
}

async function fetchText(url: string): Promise<string> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return response.text();
}

async function fetchFiles(base: string): Promise<Files> {
  const load = async (name: string): Promise<ArrayBuffer> => {
    const response = await fetch(base + name);
    if (!response.ok) throw new Error(`${response.url}: ${response.status}`);
    return response.arrayBuffer();
  };
  const [snapshot, ...found] = await Promise.all([fetchSnapshot(base), ...NAMES.map(load)]);
  const named = Object.fromEntries(NAMES.map((name, index) => [name, found[index]]));
  return { ...named, "snapshot.bin": snapshot } as Files;
}
