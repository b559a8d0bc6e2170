/** The address of what is shown: `#/local/inventory/widget1?version=3&tab=source`. */

import type { Where } from "../../protocol";
import { splitPath } from "./path";

export const TABS = ["state", "methods", "source", "versions"] as const;
export type Tab = (typeof TABS)[number];
export const DIRECTORY_TABS = ["entries", "search", "run", "graphql"] as const;
export type DirectoryTab = (typeof DIRECTORY_TABS)[number];

export interface Route {
  where: Where;
  path: string;
  /** 0: the newest. */
  version: number;
  /** Of an object or of a directory: what it is shows when it is opened. */
  tab: Tab | DirectoryTab;
}

export function objectTab(route: Route): Tab {
  return TABS.find((name) => name === route.tab) ?? "state";
}

export function directoryTab(route: Route): DirectoryTab {
  return DIRECTORY_TABS.find((name) => name === route.tab) ?? "entries";
}

export function formatRoute(route: Route): string {
  const names = splitPath(route.path).map(encodeURIComponent).join("/");
  const query = new URLSearchParams();
  if (route.version > 0) query.set("version", String(route.version));
  if (route.tab !== "state") query.set("tab", route.tab);
  const tail = query.size > 0 ? `?${query}` : "";
  return `#/${route.where}/${names}${tail}`;
}

/** The route an address names, or null when it names none. */
export function parseRoute(hash: string): Route | null {
  const match = /^#\/(local|cluster)(\/[^?]*)?(?:\?(.*))?$/.exec(hash);
  if (match === null) return null;
  const query = new URLSearchParams(match[3] ?? "");
  const version = Number(query.get("version") ?? "0");
  const tab = [...TABS, ...DIRECTORY_TABS].find((name) => name === query.get("tab"));
  const path = decodePath(match[2] ?? "");
  if (path === null) return null;
  return {
    where: match[1] === "local" ? "local" : "cluster",
    path,
    version: Number.isSafeInteger(version) && version > 0 ? version : 0,
    tab: tab ?? "state",
  };
}

function decodePath(encoded: string): string | null {
  try {
    return "/" + splitPath(encoded).map(decodeURIComponent).join("/");
  } catch {
    return null; // a broken %-sequence
  }
}
