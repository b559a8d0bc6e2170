/** The address of what is shown: `#/local/inventory/widget1?version=3&tab=source`. */

import type { Where } from "../../protocol";
import { splitPath } from "./path";

export interface Route {
  where: Where;
  path: string;
  /** 0: the newest. */
  version: number;
  /** A panel of an object or of a directory (web/app/object/panels.ts); its first one when it has none of that name. */
  tab: string;
}

export function formatRoute(route: Route): string {
  const names = splitPath(route.path).map(encodeURIComponent).join("/");
  const query = new URLSearchParams();
  if (route.version > 0) query.set("version", String(route.version));
  if (route.tab !== "") query.set("tab", route.tab);
  const tail = query.size > 0 ? `?${query}` : "";
  return `#/${route.where}/${names}${tail}`;
}

/** The route an address names, or null when it names none. */
export function parseRoute(hash: string): Route | null {
  const match = /^#\/(local|cluster)(\/[^?]*)?(?:\?(.*))?$/.exec(hash);
  if (match === null) return null;
  const query = new URLSearchParams(match[3] ?? "");
  const version = Number(query.get("version") ?? "0");
  const path = decodePath(match[2] ?? "");
  if (path === null) return null;
  return {
    where: match[1] === "local" ? "local" : "cluster",
    path,
    version: Number.isSafeInteger(version) && version > 0 ? version : 0,
    tab: query.get("tab") ?? "",
  };
}

function decodePath(encoded: string): string | null {
  try {
    return "/" + splitPath(encoded).map(decodeURIComponent).join("/");
  } catch {
    return null; // a broken %-sequence
  }
}
