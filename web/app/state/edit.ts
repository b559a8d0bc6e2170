/** Unsaved edits of one object, and saving them. */

import type { Failure, ObjectView, SaveConflict, StateFormat } from "../../protocol";
import { checkDraft, type Draft } from "../logic/draft";
import { fieldOf, makeFailure, toFailure } from "../logic/failure";
import { fullPath } from "../logic/path";
import type { Session } from "./session.svelte";

/** An edited text of the whole state that was not read yet, or cannot be: then `problem` says why. */
export interface RawText {
  format: StateFormat;
  text: string;
  problem: string;
}

export interface Edit {
  /** What was read when the editing began: the version that a save is over. */
  view: ObjectView;
  draft: Draft;
  /** Field name -> what is wrong with it. */
  problems: Record<string, string>;
  /** What is wrong as a whole. */
  failure: Failure | null;
  conflict: SaveConflict | null;
  saving: boolean;
  raw?: RawText | null;
}

export function noProblems(edit: Edit): boolean {
  return Object.keys(edit.draft).length === 0 && edit.conflict === null && edit.raw == null;
}

/** Save; `put` is told each next state (null: nothing is unsaved any more). True when it was saved. */
export async function saveEdit(edit: Edit, session: Session, put: (edit: Edit | null) => void): Promise<boolean> {
  const { view, draft } = edit;
  const path = fullPath(view.pointer);
  const problems = checkDraft(draft, view.fields);
  if (Object.keys(problems).length > 0) {
    put({ ...edit, problems, failure: null });
    return false;
  }
  put({ ...edit, problems: {}, failure: null, saving: true });
  session.saving(view.where, path);
  try {
    const version = view.pointer.version;
    const { pointer, conflict } = await session.port.call("save", { where: view.where, path, version, changes: draft });
    if (conflict !== null) {
      session.saveFailed(view.where, path, makeFailure("Conflict", "somebody stored another version meanwhile"));
      put({ ...edit, problems: {}, failure: null, conflict, saving: false });
    } else if (pointer !== null) {
      session.saved(view.where, path, pointer);
      put(null);
      return true;
    }
  } catch (error) {
    const failure = toFailure(error);
    session.saveFailed(view.where, path, failure);
    put(failed(edit, failure));
  }
  return false;
}

function failed(edit: Edit, failure: Failure): Edit {
  const field = fieldOf(failure, Object.keys(edit.draft));
  const text = [failure.message, failure.remedy].filter((part) => part !== null).join(" — ");
  return { ...edit, saving: false, failure, problems: field === null ? {} : { [field]: text } };
}
