/** What else a field can be looked at as: bytes as what they are, text as Markdown, numbers as a curve, places as a map. */

import type { Field } from "../../protocol";
import { readString, type Value } from "./value";

export type Look = "bytes" | "markdown" | "series" | "map";

/** How a field is best looked at, beside being edited; null: as it is. */
export function lookOf(field: Field, text: string, value: Value | null): Look | null {
  if (field.type === "bytes" || field.type === "bytearray") return "bytes";
  if (field.kind === "text" && isMarkdown(text)) return "markdown";
  if (value === null) return null;
  if (readSeries(value) !== null) return "series";
  return isGeo(value) ? "map" : null;
}

/** Whether a text looks as if it were written in Markdown. */
export function isMarkdown(text: string): boolean {
  return /^#{1,6} \S|^\s*[-*] \S|^\d+\. \S|^> |^```|\*\*\S[^*]*\*\*|\[[^\]\n]+\]\([^)\n]+\)/m.test(text.slice(0, 20_000));
}

export interface Series {
  x: number[];
  /** NaN where one is missing. */
  y: number[];
  /** The second numbers of pairs over the first ones, rather than numbers over their places. */
  pairs: boolean;
}

/** What stands for a number that is missing. */
const GAP = /^(None|[+-]?(inf|nan)|Decimal\('(-?s?NaN\d*|-?Infinity)'\))$/;

/** At least three numbers, or pairs of numbers, and places where one is missing; null for anything else. */
export function readSeries(value: Value): Series | null {
  if ((value.kind !== "list" && value.kind !== "tuple" && value.kind !== "deque") || value.items.length < 3) return null;
  const x: number[] = [];
  const y: number[] = [];
  const pairs = value.items[0]?.kind !== "leaf";
  for (const [at, item] of value.items.entries()) {
    const parts = !pairs ? [leafOf(at), item] : item.kind === "tuple" || item.kind === "list" ? item.items : [];
    const [first, second] = parts;
    if (parts.length !== 2 || first === undefined || second === undefined || !isNumber(first) || !isNumber(second)) return null;
    if (!Number.isFinite(numberOf(first))) continue; // where it would be, nobody knows
    x.push(numberOf(first));
    y.push(Number.isFinite(numberOf(second)) ? numberOf(second) : NaN);
  }
  return y.filter(Number.isFinite).length < 3 ? null : { x, y, pairs };
}

const leafOf = (number: number): Value => ({ kind: "leaf", text: String(number) });

function isNumber(value: Value): boolean {
  return value.kind === "leaf" && (GAP.test(value.text) || !Number.isNaN(numberOf(value)));
}

/** The number that a leaf is; NaN if it is none. */
function numberOf(value: Value): number {
  if (value.kind !== "leaf") return NaN;
  const text = (/^Decimal\('(.*)'\)$/.exec(value.text)?.[1] ?? value.text).replaceAll("_", "");
  return /^[+-]?[\d.]/.test(text) ? Number(text) : NaN;
}

/** How often values fall into each of some equal ranges. */
export function histogramOf(values: number[], most = 24): { from: number; to: number; count: number }[] {
  const low = values.reduce((one, other) => Math.min(one, other), Infinity);
  const high = values.reduce((one, other) => Math.max(one, other), -Infinity);
  if (!(high > low)) return [{ from: low, to: high, count: values.length }];
  const bins = Math.max(1, Math.min(most, Math.ceil(Math.sqrt(values.length))));
  const width = (high - low) / bins;
  const counts = new Array<number>(bins).fill(0);
  for (const each of values) {
    const bin = Math.min(bins - 1, Math.floor((each - low) / width));
    counts[bin] = (counts[bin] ?? 0) + 1;
  }
  return counts.map((count, at) => ({ from: low + at * width, to: low + (at + 1) * width, count }));
}

const GEOMETRIES = new Set(["Feature", "FeatureCollection", "GeometryCollection", "Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon"]);

/** Whether a value is GeoJSON: a dict whose `type` says so, and which holds what such a one has. */
export function isGeo(value: Value): boolean {
  const data = value.kind === "dict" ? entriesOf(value) : null;
  const type = data?.get("type");
  if (data === null || type?.kind !== "leaf" || !GEOMETRIES.has(readString(type.text) ?? "")) return false;
  return data.has("coordinates") || data.has("geometry") || data.has("features") || data.has("geometries");
}

function entriesOf(value: Value & { kind: "dict" }): Map<string, Value> {
  return new Map(value.pairs.map(([key, item]) => [key.kind === "leaf" ? (readString(key.text) ?? key.text) : "", item]));
}

/** A value as JSON has it; what JSON has not as its text. */
export function plainOf(value: Value): unknown {
  if (value.kind === "dict") return Object.fromEntries([...entriesOf(value)].map(([key, item]) => [key, plainOf(item)]));
  if (value.kind === "record") return Object.fromEntries(value.fields.map(([name, item]) => [name, plainOf(item)]));
  if (value.kind !== "leaf") return value.items.map(plainOf);
  if (value.text === "None") return null;
  if (value.text === "True" || value.text === "False") return value.text === "True";
  const number = numberOf(value);
  return Number.isNaN(number) ? (readString(value.text) ?? value.text) : number;
}

/** The media type of bytes by how they begin; "" if that says nothing. */
export function sniff(data: Uint8Array): string {
  const begin = String.fromCharCode(...data.subarray(0, 16));
  if (begin.startsWith("\x89PNG\r\n\x1a\n")) return "image/png";
  if (begin.startsWith("\xff\xd8\xff")) return "image/jpeg";
  if (/^GIF8[79]a/.test(begin)) return "image/gif";
  if (/^RIFF[^]{4}WEBP/.test(begin)) return "image/webp";
  if (/^RIFF[^]{4}WAVE/.test(begin)) return "audio/wav";
  if (begin.startsWith("BM")) return "image/bmp";
  if (begin.startsWith("OggS")) return "audio/ogg";
  if (begin.startsWith("fLaC")) return "audio/flac";
  if (begin.startsWith("ID3") || /^\xff[\xfb\xf3\xf2]/.test(begin)) return "audio/mpeg";
  if (begin.slice(4, 8) === "ftyp") return /avif/.test(begin) ? "image/avif" : /M4A/.test(begin) ? "audio/mp4" : "video/mp4";
  if (begin.startsWith("\x1aE\xdf\xa3")) return "video/webm";
  return "";
}
