/** Fields of plain records, which have no class to say what they are. */

import type { Field } from "../../protocol";

export const PLAIN_KINDS: Partial<Record<Field["kind"], string>> = {
  str: "text",
  int: "whole number",
  float: "number",
  bool: "true or false",
  literal: "Python value",
};

/** A field of a kind; what was typed stays where it fits. */
export function makePlainField(name: string, kind: Field["kind"], text = ""): Field {
  const shown = kind === "bool" && text !== "False" ? "True" : kind === "literal" && text === "" ? "None" : text;
  return { name, annotation: "", kind, text: shown, form: "", type: "", size: shown.length, reason: "", spark: [] };
}
