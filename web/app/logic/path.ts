/** Paths as the page handles them: the same rules as py/emerge_wasm/paths.py, for feedback before a call. */

import type { Pointer, Where } from "../../protocol";

const NAME_LIMIT = 255;

export function splitPath(path: string): string[] {
  return path.split("/").filter((name) => name !== "");
}

export function childPath(directory: string, name: string): string {
  return directory.endsWith("/") ? directory + name : `${directory}/${name}`;
}

export function parentPath(path: string): string {
  return "/" + splitPath(path).slice(0, -1).join("/");
}

export function nameOf(path: string): string {
  return splitPath(path).at(-1) ?? "/";
}

export function fullPath(pointer: Pointer): string {
  return pointer.name === "" ? "/" : childPath(pointer.path, pointer.name);
}

/** What kind of thing an entry is, in short: its class, "file" for one in blocks, "" without any. */
export function classOf(pointer: Pointer): string {
  return pointer.type === "blob" ? "file" : (pointer.class_name.split(".").at(-1) ?? "");
}

/** What a path is kept under where both filesystems' are kept together. */
export function keyOf(where: Where, path: string): string {
  return `${where}:${path}`;
}

/** `/a/b/c` gives `/`, `/a`, `/a/b`: the directories to open on the way. */
export function ancestors(path: string): string[] {
  const names = splitPath(path);
  return names.map((_, depth) => "/" + names.slice(0, depth).join("/"));
}

export function isWithin(path: string, directory: string): boolean {
  return directory === "/" || path === directory || path.startsWith(`${directory}/`);
}

/** What a person typed, made absolute: spaces around it and a missing or trailing slash are forgiven. */
export function readPath(typed: string): string {
  return "/" + splitPath(typed.trim()).join("/");
}

/** Why this cannot be a name, or null. */
export function checkName(name: string): string | null {
  if (name === "") return "Give it a name.";
  if (name === "." || name === "..") return `“${name}” is not a name: write the path out in full.`;
  if (name.includes("/")) return "A name holds no slash.";
  if (/\p{Cc}|\p{Cs}/u.test(name)) return "A name holds no control characters.";
  if ([...name.normalize("NFC")].length > NAME_LIMIT) return `A name has at most ${NAME_LIMIT} characters.`;
  return null;
}

/** Why this cannot be a path, or null. */
export function checkPath(path: string): string | null {
  if (!path.startsWith("/")) return "Begin the path with /.";
  const names = path === "/" ? [] : path.slice(1).replace(/\/$/, "").split("/");
  for (const name of names) {
    const problem = name === "" ? "Two slashes follow each other." : checkName(name);
    if (problem !== null) return problem;
  }
  return null;
}
