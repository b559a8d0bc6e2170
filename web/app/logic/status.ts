/** The words of the status line. They say what is known, and nothing that is merely hoped. */

import type { Connection } from "../../protocol";
import type { Features, KernelState } from "../port";
import type { Save } from "../state/session.svelte";
import { formatTime } from "./format";

export interface Status {
  level: "idle" | "good" | "busy" | "caution" | "bad";
  state: string;
  text: string;
  title: string;
}

export function kernelStatus(state: KernelState, detail: string): Status {
  const title = detail;
  if (state === "dead") return { level: "bad", state, text: "Python stopped", title };
  if (state === "loading") return { level: "busy", state, text: "Python is starting…", title };
  if (state === "busy") return { level: detail ? "caution" : "busy", state, text: detail || "Python is busy", title };
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

export function storageStatus(features: Features | null, kernel: KernelState): Status {
  if (features === null) {
    const text = kernel === "dead" ? "Storage: unknown" : "Storage: …";
    return { level: "idle", state: "unknown", text, title: "" };
  }
  if (features.storage === "memory") {
    const title = "This browser offers no IndexedDB here: objects of this browser are lost when the page closes.";
    return { level: "bad", state: "memory", text: "Memory only: lost on reload", title };
  }
  if (features.persisted) return { level: "good", state: "persisted", text: "IndexedDB, persistent", title: "" };
  const title = "The browser may clear this storage when it runs short of space, or when the page is not visited for long.";
  return { level: "idle", state: "indexeddb", text: "IndexedDB", title };
}
