/** Which of a value's representations are shown, the richest first. Knows MIME types, draws nothing. */

import type { ShownValue } from "../../protocol";

export type View = "chart" | "table" | "tree" | "html" | "image" | "markdown" | "latex" | "text";

export const TABLE = "application/vnd.emerge.table+json";
export const TREE = "application/vnd.emerge.tree+json";
export const ERRORS = "application/vnd.emerge.errors+json";
const TEXT = "text/plain";

export interface Table {
  columns: string[];
  rows: Value[][];
  total: number;
  dropped: number;
  links: (string[] | null)[];
}
export type Value = string | number | boolean | null;

export interface TreeNode {
  key: string;
  text?: string;
  kind?: string;
  count?: number;
  children?: TreeNode[];
}

/** A representation that failed. */
export interface Broken {
  name: string;
  message: string;
  traceback: string;
}

export interface Shown {
  view: View;
  mime: string;
  label: string;
}

const ORDER: [mime: RegExp, view: View, label: string][] = [
  [/^application\/vnd\.(plotly\.v1|vegalite\.v\d+|vega\.v\d+)\+json$/, "chart", "Chart"],
  [/^application\/vnd\.emerge\.table\+json$/, "table", "Table"],
  [/^text\/html$/, "html", "HTML"],
  [/^text\/markdown$/, "markdown", "Markdown"],
  [/^image\/svg\+xml$/, "image", "Picture"],
  [/^image\/(png|jpeg|gif|webp)$/, "image", "Picture"],
  [/^text\/latex$/, "latex", "Formula"],
  [/^application\/vnd\.emerge\.tree\+json$/, "tree", "Tree"],
  [/^application\/json$/, "tree", "Tree"],
  [/^text\/plain$/, "text", "Plain"],
];

/** What can be shown, the best first; each kind once. Text is always the last. */
export function viewsOf(value: ShownValue): Shown[] {
  const views: Shown[] = [];
  for (const [pattern, view, label] of ORDER) {
    const mime = Object.keys(value.data).find((name) => pattern.test(name));
    if (mime !== undefined && !views.some((other) => other.view === view)) views.push({ view, mime, label });
  }
  return views.length > 0 ? views : [{ view: "text", mime: TEXT, label: "Plain" }];
}

export function textOf(value: ShownValue, mime = TEXT): string {
  const data = value.data[mime];
  if (typeof data === "string") return data;
  return data === undefined ? "" : JSON.stringify(data, null, 2);
}

export function errorsOf(value: ShownValue): Broken[] {
  const errors = value.data[ERRORS];
  return Array.isArray(errors) ? (errors as Broken[]) : [];
}

/** The address of a picture: a `data:` URL, in which no script of an SVG runs. */
export function pictureOf(value: ShownValue, mime: string): string {
  const text = textOf(value, mime).trim();
  return mime === "image/svg+xml" ? `data:${mime};charset=utf-8,${encodeURIComponent(text)}` : `data:${mime};base64,${text.replace(/\s/g, "")}`;
}

/** Whether HTML counts on more than markup: scripts, styles of its own, frames. */
export function isActive(html: string): boolean {
  return /<(script|style|iframe|link|object|embed|form|input|canvas)\b|\s(on\w+|style)\s*=/i.test(html);
}

/** The package whose script draws a chart. */
export function drawerOf(mime: string): string {
  return mime.includes("plotly") ? "plotly" : "vega";
}

/** A document that draws a figure of plotly, once its script has run; again in place of another one, too. */
export function plotlyPage(figure: unknown): string {
  const text = JSON.stringify(figure).replace(/</g, "\\u003c"); // no end of a script in it
  return `<div id="chart"></div><script>{
    const { data = [], layout = {}, config = {}, frames } = ${text};
    const chart = document.getElementById("chart");
    Plotly.newPlot(chart, data, layout, { ...config, responsive: true, displaylogo: false }).then(() => frames?.length && Plotly.addFrames(chart, frames));
  }</script>`;
}

const LIMIT = 3_000;

/** JSON data as the nodes of a tree, the first few thousand of them. */
export function treeOf(data: unknown): TreeNode {
  let left = LIMIT;
  const walk = (key: string, value: unknown): TreeNode => {
    left -= 1;
    if (typeof value !== "object" || value === null) return { key, text: JSON.stringify(value) ?? "null" };
    const entries = Array.isArray(value) ? value.map((item, index) => [String(index), item] as const) : Object.entries(value);
    const children: TreeNode[] = [];
    for (const [name, item] of entries) {
      if (left <= 0) break;
      children.push(walk(Array.isArray(value) ? name : JSON.stringify(name), item));
    }
    return { key, kind: Array.isArray(value) ? "array" : "object", count: entries.length, children };
  };
  return walk("", data);
}
