/** Unsaved edits of an object's fields, and the way out of a conflict. Plain data. */

import type { Field, SaveConflict } from "../../protocol";
import { checkText } from "./literal";
import { own, withOwn, withoutOwn } from "./own";

/** Field name -> edited text. A field that reads as stored is not in it. */
export type Draft = Record<string, string>;

export function editDraft(draft: Draft, fields: Field[], name: string, text: string): Draft {
  const stored = fields.find((field) => field.name === name);
  const rest = withoutOwn(draft, name);
  return stored === undefined || stored.text === text ? rest : withOwn(rest, name, text);
}

/** The draft over fields that were read again: edits that now read as stored, or have no field any more, go. */
export function rebaseDraft(draft: Draft, fields: Field[]): Draft {
  return Object.entries(draft).reduce<Draft>((kept, [name, text]) => editDraft(kept, fields, name, text), {});
}

export function checkDraft(draft: Draft, fields: Field[]): Record<string, string> {
  const found = fields.map(({ name, kind }): [string, string | null] => {
    const text = own(draft, name);
    return [name, text === undefined ? null : checkText(kind, text)];
  });
  return Object.fromEntries(found.filter((each): each is [string, string] => each[1] !== null));
}

export type Side = "theirs" | "mine";

/** One field that differs: what it was when I began, what they stored, what I typed. */
export interface Difference {
  name: string;
  base: string;
  theirs: string;
  mine: string;
  /** Decided when only one side changed it; null when both did, differently. */
  suggested: Side | null;
}

export function findDifferences(conflict: SaveConflict, base: Field[]): Difference[] {
  const text = (fields: Field[], name: string): string => fields.find((field) => field.name === name)?.text ?? "";
  const names = [...new Set([...conflict.theirs, ...conflict.mine].map((field) => field.name))];
  return names
    .map((name) => ({
      name,
      base: text(base, name),
      theirs: text(conflict.theirs, name),
      mine: text(conflict.mine, name),
    }))
    .filter((row) => row.theirs !== row.mine)
    .map((row) => ({ ...row, suggested: row.theirs === row.base ? "mine" : row.mine === row.base ? "theirs" : null }));
}

/** Names of the fields that only they changed: saving leaves these as theirs. */
export function findTheirs(conflict: SaveConflict, base: Field[]): string[] {
  const before = new Map(base.map((field) => [field.name, field.text]));
  const mine = new Map(conflict.mine.map((field) => [field.name, field.text]));
  return conflict.theirs
    .filter((field) => field.text !== before.get(field.name) && field.text === mine.get(field.name))
    .map((field) => field.name);
}

/** What to save over their version: the fields for which mine was chosen. Null while one is undecided. */
export function resolveDifferences(rows: Difference[], choice: Record<string, Side>): Draft | null {
  const sides = rows.map((row) => own(choice, row.name) ?? row.suggested);
  if (sides.includes(null)) return null;
  return Object.fromEntries(rows.filter((_, at) => sides[at] === "mine").map(({ name, mine }) => [name, mine]));
}
