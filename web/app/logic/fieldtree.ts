/** Fields as a tree to read: each value taken apart, the first few thousand parts of it. */

import type { Field } from "../../protocol";
import type { Draft } from "./draft";
import { own } from "./own";
import type { TreeNode } from "./rich";
import { formatValue, parseValue, type Value } from "./value";

const LIMIT = 5_000;
const LONG = 500; // characters of a text

export function treeOfFields(fields: Field[], draft: Draft): TreeNode {
  let left = LIMIT;
  const cut = (text: string): string => (text.length > LONG ? `${text.slice(0, LONG)}… ${text.length.toLocaleString("en")} characters` : text);

  const some = (key: string, kind: string, parts: [string, Value][]): TreeNode => {
    const children: TreeNode[] = [];
    for (const [name, part] of parts) {
      if (left <= 0) break;
      children.push(walk(name, part));
    }
    return { key, kind, count: parts.length, children };
  };
  const walk = (key: string, value: Value): TreeNode => {
    left -= 1;
    if (value.kind === "leaf") return { key, text: cut(value.text) };
    if (value.kind === "dict") return some(key, "dict", value.pairs.map(([name, item]) => [formatValue(name), item]));
    if (value.kind === "record") return some(key, value.name, value.fields);
    return some(key, value.kind, value.items.map((item, at) => [value.kind === "set" || value.kind === "frozenset" ? "" : String(at), item]));
  };

  const children = fields.map((field) => {
    const text = own(draft, field.name) ?? field.text;
    const value = field.kind === "str" || field.kind === "text" || field.size > field.text.length ? null : parseValue(text);
    return value === null ? { key: field.name, text: cut(field.kind === "str" || field.kind === "text" ? JSON.stringify(text) : text) } : walk(field.name, value);
  });
  return { key: "", kind: "state", count: children.length, children };
}
