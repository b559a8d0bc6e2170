/** What is true of the kernel, the connection and the last save: the status line shows exactly this. */

import type { Connection, Failure, Pointer, Where } from "../../protocol";
import type { Features, KernelState, Port } from "../port";

export type Save =
  | { state: "saving"; where: Where; path: string }
  | { state: "saved"; where: Where; path: string; version: number; durability: string; at: Date }
  | { state: "failed"; where: Where; path: string; failure: Failure };

export class Session {
  readonly port: Port;
  kernel = $state<KernelState>("loading");
  detail = $state("");
  /** The kernel of cells; where there is one kernel for all, what that does. */
  cells = $state<KernelState>("loading");
  cellsDetail = $state("");
  features = $state.raw<Features | null>(null);
  connection = $state.raw<Connection>({ state: "connecting" });
  save = $state.raw<Save | null>(null);
  /** The node's name as last heard, kept while offline. */
  node = $state("");

  constructor(port: Port) {
    this.port = port;
    port.on("kernel", (event) => {
      if (event.state === "loading") this.features = null;
      if (event.state === "loading" || event.state === "dead") this.connection = { state: "connecting" };
      this.kernel = event.state;
      this.detail = event.detail;
    });
    port.on("cells", ({ state, detail }) => {
      this.cells = state;
      this.cellsDetail = detail;
    });
    port.on("features", (event) => (this.features = event));
    port.on("connection", ({ connection }) => {
      this.connection = connection;
      if (connection.state === "connected") this.node = connection.node;
    });
  }

  /** Whether a cell can run now. */
  get ready(): boolean {
    return this.cells !== "loading" && this.cells !== "dead";
  }

  /** Whether a place can be used now: "soon" while it is being started or connected to. */
  reach(where: Where): "up" | "soon" | "down" {
    if (this.kernel === "dead") return "down";
    if (this.kernel === "loading") return "soon";
    if (where === "local" || this.connection.state === "connected") return "up";
    return this.connection.state === "offline" ? "down" : "soon";
  }

  /** Why a place cannot be used now, or null. */
  outage(where: Where): string | null {
    if (this.reach(where) === "up") return null;
    if (this.kernel === "dead") return "Python has stopped: restart it.";
    if (this.kernel === "loading") return "Python is starting.";
    if (this.refused) return "Open the link that the relay printed when it was started.";
    return this.connection.state === "offline" ? `The cluster is out of reach: ${this.connection.reason}.` : "Connecting to the cluster.";
  }

  /** The relay is there, and this browser is not signed in. */
  get refused(): boolean {
    return this.connection.state === "offline" && this.connection.refused;
  }

  placeName(where: Where): string {
    if (where === "local") return "This browser";
    return this.node === "" ? "Cluster" : `Cluster · ${this.node}`;
  }

  saving(where: Where, path: string): void {
    this.save = { state: "saving", where, path };
  }

  saved(where: Where, path: string, pointer: Pointer): void {
    this.save = { state: "saved", where, path, version: pointer.version, durability: this.#durability(where), at: new Date() };
  }

  saveFailed(where: Where, path: string, failure: Failure): void {
    this.save = { state: "failed", where, path, failure };
  }

  #durability(where: Where): string {
    if (where === "cluster") return this.connection.state === "connected" ? this.connection.durability : "";
    return this.features?.storage === "memory" ? "memory only" : "";
  }
}
