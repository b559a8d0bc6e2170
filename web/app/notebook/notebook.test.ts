import { expect, test } from "vitest";
import type { NotebookView } from "../../protocol";
import { Console } from "../state/console.svelte";
import { Notices } from "../state/notices.svelte";
import { Session } from "../state/session.svelte";
import { EMPTY } from "../state/cells.svelte";
import { Notebook } from "./notebook.svelte";

/** A notebook whose answer comes when the test says so. */
function made(): { notebook: Notebook; ran: string[]; answer: (cells: string[] | Error) => void } {
  let settle: (cells: string[] | Error) => void = () => undefined;
  const call = (kind: string): Promise<unknown> =>
    kind !== "notebook"
      ? new Promise(() => undefined)
      : new Promise((resolve, reject) => {
          settle = (given) => (given instanceof Error ? reject(given) : resolve({ pointer: { version: 1, revision: "r" }, requirements: [], may: true, cells: given.map((source, at) => ({ ...EMPTY, id: `c${at}`, source })) } as unknown as NotebookView));
        });
  const session = new Session({ call, on: () => () => undefined, hurry: () => undefined } as never);
  const console = new Console(session, new Notices());
  const ran: string[] = [];
  console.queue.run = (cell) => void ran.push(cell.code);
  return { notebook: new Notebook(session, console, "local", "/notebooks/a", 0), ran, answer: (cells) => settle(cells) };
}

test("all cells run once they are there, however early they were asked to", async () => {
  for (const early of [0, 1, 2]) {
    const { notebook, ran, answer } = made();
    if (early === 0) notebook.runAll();
    const opened = notebook.open("r");
    if (early === 1) notebook.runAll();
    expect([ran, notebook.waits]).toEqual([[], early < 2]);
    answer(["1", "2"]);
    await opened;
    if (early === 2) notebook.runAll();
    await Promise.resolve();
    expect([ran, notebook.waits]).toEqual([["1", "2"], false]);
  }
});

test("what was asked of a notebook that could not be opened is not done much later", async () => {
  const { notebook, ran, answer } = made();
  let opened = notebook.open("r");
  notebook.runAll();
  answer(new Error("away"));
  await opened;
  expect(notebook.waits).toBe(false);
  opened = notebook.open("r");
  answer(["1"]);
  await opened;
  expect(ran).toEqual([]);
});
