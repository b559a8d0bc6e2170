/** The page kernel's end of the line to the cells' kernel (cells.ts). */

import type { Peer } from "./protocol";
import { RingWriter } from "./ring";

/** The functions of `emerge_wasm.browser.kernel` that serve a cells' kernel. */
export interface Server {
  attach(post: (data: Uint8Array<ArrayBuffer>) => void, framed: boolean, interrupt: (run: number) => void): void;
  hear(data: Uint8Array): void;
  detach(): void;
}

let port: MessagePort | null = null;

/** Serve this cells' kernel in place of the one before; null: there is none any more. */
export function serve(peer: Peer | null, server: Server): void {
  port?.close();
  port = peer?.port ?? null;
  if (!peer) return server.detach();
  const { port: line, ring, interrupt } = peer;
  const writer = ring && new RingWriter(ring, () => line.postMessage("look"));
  const post = (data: Uint8Array<ArrayBuffer>): void => (writer ? writer.write(data) : line.postMessage(data, [data.buffer]));
  /** Only the run that is meant: by now a cell may be running. */
  const stop = (run: number): void => {
    if (interrupt && writer?.mark === run) Atomics.store(interrupt, 0, 2);
  };
  server.attach(post, writer !== null, stop);
  line.onmessage = ({ data }: MessageEvent<Uint8Array | "room">) => {
    if (data === "room") writer?.resume();
    else server.hear(data);
  };
}
