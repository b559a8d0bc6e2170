/** The cells' kernel in its worker: its line to the page's kernel. Events go there as messages; those that come back are
 *  messages too, or bytes in shared memory, for which a cell can block. */

import type { ShellOptions, StartCells, ToPage } from "./protocol";
import { type Python, RECURSION } from "./boot";
import { RingReader } from "./ring";

const SLICE = 50; // ms that a cell blocks until Stop is looked at
const BEAT = 2_000; // ms between signs of life while it blocks

export interface Entry {
  submit(id: number, kind: string, args: string, deed?: string): void;
  pulse(): void;
  stop(): void;
}

export function startCells({ py, fill }: Python, { peer }: StartCells, send: (message: ToPage) => void): Entry {
  const { port, ring, interrupt } = peer;
  const kernel = py.pyimport("emerge_wasm.browser.console.worker");
  const reader = ring && new RingReader(ring, () => port.postMessage("room"));
  let beat = 0;
  const line = {
    post: (data: Uint8Array<ArrayBuffer>): void => port.postMessage(data, [data.buffer]),
    mark: (number: number): void => {
      if (reader) reader.mark = number;
    },
    /** undefined: Stop was pressed. */
    wait: (milliseconds: number): Uint8Array | undefined => {
      if (interrupt && Atomics.exchange(interrupt, 0, 0) !== 0) return undefined;
      const found = reader?.wait(milliseconds < 0 ? SLICE : Math.min(milliseconds, SLICE));
      if (performance.now() - beat > BEAT) {
        beat = performance.now();
        send({ pong: true });
      }
      return found;
    },
  };
  const take = kernel.hear as (data: Uint8Array, framed: boolean) => void;
  const hear = (data: Uint8Array): void => {
    if (data.length > 0) take(data, reader !== null);
  };
  const options: ShellOptions = { recursion: RECURSION, restored: fill !== null, shared: reader !== null };
  kernel.start((text: string) => send(JSON.parse(text) as ToPage), line, JSON.stringify(options));
  port.onmessage = ({ data }: MessageEvent<Uint8Array | "look">) => {
    if (reader) hear(reader.read());
    else if (data instanceof Uint8Array) hear(data);
  };
  return { submit: kernel.submit, pulse: kernel.pulse, stop: kernel.stop };
}
