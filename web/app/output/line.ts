/** From a frame of a traceback to the line that it names. */

import { parseCause } from "../logic/cause";
import type { Cell } from "../state/cell.svelte";
import type { Workspace } from "../state/workspace.svelte";

const PATIENCE = 3_000; // ms until the notebook must have shown the cell

/** The cell that a frame's file is, if its text is still what ran. */
export function cellOf(workspace: Workspace, file: string): Cell | null {
  const match = /^<cell (\d+)>$/.exec(file);
  const cell = match && workspace.console.queue.find(Number(match[1]));
  return cell && cell.code === cell.ran ? cell : null;
}

/** Show a line of a cell, in the console or in its notebook, as selected text. */
export async function showLine(workspace: Workspace, cell: Cell, line: number): Promise<void> {
  const cause = parseCause(cell.cause);
  if (cause === null) workspace.navigation.pane = "console";
  else {
    workspace.wantedCell = cause.cell;
    workspace.navigation.open(cause.where, cause.path, 0, "notebook");
  }
  const id = cause === null ? workspace.console.items.find((item) => item.cell === cell)?.id ?? "" : cause.cell;
  const place = `[data-testid=${cause === null ? "cell" : "notebook-cell"}][data-cell="${CSS.escape(id)}"]`;
  const text = await appeared(`${place} [data-testid=cell-code]`);
  if (text !== null) selectLine(text, line);
}

async function appeared(selector: string): Promise<HTMLElement | null> {
  for (const until = performance.now() + PATIENCE; performance.now() < until; await new Promise((done) => setTimeout(done, 50))) {
    const found = document.querySelector<HTMLElement>(selector);
    if (found !== null) return found;
  }
  return null;
}

/** Select a line (from 1) of a text, whatever elements it is made of. */
export function selectLine(text: HTMLElement, line: number): void {
  const whole = text.textContent ?? "";
  const lines = whole.split("\n");
  const start = lines.slice(0, line - 1).reduce((sum, each) => sum + each.length + 1, 0);
  const range = document.createRange();
  const from = pointAt(text, start);
  const to = pointAt(text, Math.min(start + (lines[line - 1]?.length ?? 0), whole.length));
  if (from === null || to === null) return;
  range.setStart(...from);
  range.setEnd(...to);
  text.scrollIntoView({ block: "nearest" });
  getSelection()?.removeAllRanges();
  getSelection()?.addRange(range);
  const { top, bottom } = range.getBoundingClientRect();
  if (top < 60 || bottom > innerHeight - 20) from[0].parentElement?.scrollIntoView({ block: "center" });
}

function pointAt(text: HTMLElement, offset: number): [Text, number] | null {
  const walker = document.createTreeWalker(text, NodeFilter.SHOW_TEXT);
  let left = offset;
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    const length = (node as Text).length;
    if (left <= length) return [node as Text, left];
    left -= length;
  }
  return null;
}
