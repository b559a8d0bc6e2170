/** How a file is shown before it is saved: by its name, and for text and bytes by what it begins with. */

export type Shape = "image" | "audio" | "video" | "text";

const TYPES: Record<string, string> = {
  png: "image/png",
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  gif: "image/gif",
  webp: "image/webp",
  avif: "image/avif",
  bmp: "image/bmp",
  ico: "image/x-icon",
  svg: "image/svg+xml",
  mp3: "audio/mpeg",
  wav: "audio/wav",
  ogg: "audio/ogg",
  opus: "audio/ogg",
  flac: "audio/flac",
  m4a: "audio/mp4",
  mp4: "video/mp4",
  m4v: "video/mp4",
  webm: "video/webm",
  mov: "video/quicktime",
  ogv: "video/ogg",
};

/** The media type of what a browser shows as it is; "" for anything else. */
export function mediaType(name: string): string {
  return TYPES[name.toLowerCase().split(".").at(-1) ?? ""] ?? "";
}

/** What to show of a file: anything that is neither picture nor sound is text, or bytes if it proves to be none. */
export function shapeOf(name: string): Shape {
  const kind = mediaType(name).split("/")[0];
  return kind === "image" || kind === "audio" || kind === "video" ? kind : "text";
}

export function readBase64(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}

/** The text that these bytes begin with, or null if they are none. `cut`: the last character may be a part of one. */
export function readText(data: Uint8Array, cut: boolean): string | null {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(data, { stream: cut });
    return /[\0-\x08\x0e-\x1a\x1c-\x1f]/.test(text) ? null : text;
  } catch {
    return null;
  }
}

/** Bytes as people read them: where, in hexadecimal, and as text where it is one; so many a line. */
export function formatHex(data: Uint8Array, begin = 0, across = 16): string {
  const lines: string[] = [];
  for (let at = 0; at < data.length; at += across) {
    const row = [...data.subarray(at, at + across)];
    const hex = row.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const text = row.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : "·")).join("");
    lines.push(`${(begin + at).toString(16).padStart(8, "0")}  ${hex.padEnd(3 * across - 1)}  ${text}`);
  }
  return lines.join("\n");
}
