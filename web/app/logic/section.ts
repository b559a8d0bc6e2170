/** Many fields in sections, and those that are looked for. */

import type { Field } from "../../protocol";

export const SECTION = 50;

export interface Section {
  first: string;
  last: string;
  fields: Field[];
}

/** The fields in their order, so many in a section; one section if there are no more. */
export function sectionsOf(fields: Field[], size = SECTION): Section[] {
  const sections: Section[] = [];
  for (let at = 0; at < fields.length; at += size) {
    const some = fields.slice(at, at + size);
    sections.push({ first: some[0]?.name ?? "", last: some.at(-1)?.name ?? "", fields: some });
  }
  return sections;
}

/** The fields whose name, annotation or short text has all of the words. */
export function findFields(fields: Field[], words: string): Field[] {
  const wanted = words.toLowerCase().split(/\s+/).filter((word) => word !== "");
  return fields.filter((field) => {
    const about = `${field.name} ${field.annotation} ${field.text.length < 200 ? field.text : ""}`.toLowerCase();
    return wanted.every((word) => about.includes(word));
  });
}

/** Whether it is one of the fields that every object has, and says nothing here. */
export function isUnused(field: Field, name: string): boolean {
  if (field.annotation !== "") return false; // the class has a field of its own by that name
  if (field.name === "id") return field.type === "str" && (field.text === "" || field.text === name);
  return field.name === "data" && field.type === "NoneType";
}
