/** The words of the status line. They say what is known, and nothing that is merely hoped. */

import type { Connection } from "../../protocol";
import type { Features, KernelState } from "../port";
import type { Save } from "../state/session.svelte";
import { formatBytes, formatTime } from "./format";

export interface Status {
  level: "idle" | "good" | "busy" | "caution" | "bad";
  state: string;
  text: string;
  title: string;
}

/** Both kernels in one: `cells` is that of the cells, null where they have none of their own. */
export function kernelStatus(state: KernelState, detail: string, cells: { state: KernelState; detail: string } | null = null): Status {
  if (cells !== null && state !== "dead" && state !== "loading") return cellsStatus(cells.state, cells.detail);
  const title = detail || ONE;
  if (state === "dead") return { level: "bad", state, text: "Python stopped", title };
  if (state === "loading") return { level: "busy", state, text: "Python is starting…", title };
  if (state === "busy") return { level: detail ? "caution" : "busy", state, text: detail || "Python is busy", title };
  return { level: "good", state, text: "Python ready", title };
}

const ONE = "Page and cells share one Python here, to save memory: while a cell computes, the page waits.";
const TWO = "The page has a Python of its own: it goes on whatever cells do.";

function cellsStatus(state: KernelState, detail: string): Status {
  const title = detail || TWO;
  if (state === "dead") return { level: "bad", state, text: "Python of the cells stopped; the page goes on", title };
  if (state === "loading") return { level: "busy", state, text: "Page ready; Python of the cells is starting…", title };
  if (state === "busy") return { level: detail ? "caution" : "busy", state, text: detail || "A cell is running; the page is free", title };
  return { level: "good", state, text: "Python ready", title };
}

export function connectionStatus(connection: Connection, kernel: KernelState): Status {
  if (kernel === "dead") return { level: "idle", state: "unknown", text: "Cluster: not connected", title: "" };
  switch (connection.state) {
    case "connected": {
      const title = `durability: ${connection.durability}`;
      return { level: "good", state: "connected", text: `Connected to ${connection.node}`, title };
    }
    case "offline":
      if (connection.refused) return { level: "caution", state: "offline", text: "Cluster: not signed in", title: connection.reason };
      return { level: "caution", state: "offline", text: `Cluster offline: ${connection.reason}`, title: connection.reason };
    case "connecting":
      return { level: "busy", state: "connecting", text: "Cluster: connecting…", title: "" };
  }
}

/** Where the last save went; but unsaved edits and failures come first. */
export function saveStatus(save: Save | null, edits: number): Status {
  if (save?.state === "saving") return { level: "busy", state: "saving", text: "Saving…", title: save.path };
  if (save?.state === "failed" && edits > 0) {
    const why = save.failure.code === "Conflict" ? "conflict" : save.failure.message;
    return { level: "bad", state: "failed", text: `Not saved: ${why}`, title: save.path };
  }
  if (edits > 0) {
    const text = edits === 1 ? "Not saved: edits in 1 object" : `Not saved: edits in ${edits} objects`;
    return { level: "caution", state: "unsaved", text, title: "" };
  }
  if (save?.state === "saved") {
    const detail = save.durability === "" ? "" : ` (${save.durability})`;
    const text = `${save.where === "local" ? "Saved here" : "Saved on the cluster"}${detail}`;
    return { level: "good", state: "saved", text: `${text} ${formatTime(save.at)}`, title: `${save.path}, version ${save.version}` };
  }
  return { level: "idle", state: "nothing", text: "Nothing to save", title: "" };
}

/** What is known of this browser's storage. `persisted`: null where it does not tell. */
export interface StorageState {
  persisted: boolean | null;
  usage: number;
  quota: number;
}

const NEARLY_FULL = 0.9;

export function storageStatus(features: Features | null, kernel: KernelState, { persisted, usage, quota }: StorageState): Status {
  if (features === null) {
    const text = kernel === "dead" ? "Storage: unknown" : "Storage: …";
    return { level: "idle", state: "unknown", text, title: "" };
  }
  if (features.storage === "memory") {
    const title = "This browser offers no storage here, as in some private windows: its objects are lost when the page closes.";
    return { level: "bad", state: "memory", text: "Memory only: lost on reload", title };
  }
  const used = quota > 0 ? `${formatBytes(usage)} of ${formatBytes(quota)}` : "";
  if (quota > 0 && usage > NEARLY_FULL * quota) {
    const title = "Remove what you do not need here, or free disk space: what does not fit is refused, and nothing that is stored is lost.";
    return { level: "caution", state: "full", text: `Storage nearly full: ${used}`, title };
  }
  if (persisted === true) return { level: "good", state: "persisted", text: "Storage kept", title: `${used} used; the browser keeps it until you remove it.` };
  const title = `${used && `${used} used. `}The browser may clear it when it runs short of space, or when the page is not visited for long.`;
  return { level: "idle", state: "best-effort", text: "Storage may be cleared", title };
}
