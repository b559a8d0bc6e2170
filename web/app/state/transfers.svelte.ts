/** Files on their way: put into a filesystem, or saved from one. A few at a time, the others wait.
 *
 *  An upload that is paused, or whose connection or tab is lost, goes on when the same file is put at the same path again:
 *  what was sent is kept there for an hour. So that a reload can say so, unfinished ones are remembered. */

import type { Failure, ObjectView, Pointer, Where } from "../../protocol";
import type { Dropped } from "../logic/dropped";
import { makeFailure, toFailure } from "../logic/failure";
import { childPath, fullPath, keyOf, nameOf, splitPath } from "../logic/path";
import { nextRun } from "../logic/running";
import { saveAs } from "../logic/save";
import { recall, remember } from "./memory";
import type { Session } from "./session.svelte";

const AT_ONCE = 9; // in shares: three large files, or nine small ones, which mostly wait for answers
const SMALL = 256 << 10; // bytes
const AGAIN = 2_000; // ms until what failed for want of a connection is tried again
const ATTEMPTS = 5;
const MEMORY = "uploads";
const REMEMBERED = 200;

/** "lost": an upload of an earlier page, whose file must be chosen again. */
export type TransferState = "waiting" | "running" | "paused" | "lost" | "failed" | "done";

interface Unfinished {
  where: Where;
  path: string;
  size: number;
  modified: number;
}

export class Transfer {
  readonly id = nextRun();
  readonly up: boolean;
  readonly where: Where;
  readonly path: string;
  readonly version: number;
  file: File | null;
  size = $state(0);
  modified: number;
  state = $state<TransferState>("waiting");
  done = $state(0);
  failure = $state.raw<Failure | null>(null);
  run = 0;
  /** Attempts that failed for want of a connection, one after the other; and when to make the next one. */
  attempts = 0;
  notBefore = 0;

  constructor(up: boolean, where: Where, path: string, size: number, { file = null, modified = 0, version = 0 }: { file?: File | null; modified?: number; version?: number } = {}) {
    [this.up, this.where, this.path, this.size] = [up, where, path, size];
    [this.file, this.modified, this.version] = [file, modified, version];
  }

  get name(): string {
    return nameOf(this.path);
  }

  get open(): boolean {
    return this.state !== "done";
  }
}

export class Transfers {
  list = $state.raw<Transfer[]>([]);
  /** Whether the list is shown in full. */
  unfolded = $state(true);
  #session: Session;

  constructor(session: Session) {
    this.#session = session;
    session.port.on("progress", ({ run, done, total }) => {
      const found = this.list.find((each) => each.run === run);
      if (found) [found.done, found.size, found.attempts] = [done, total, 0];
    });
    this.list = recallUnfinished();
    this.unfolded = this.list.length > 0;
  }

  get active(): number {
    return this.list.filter(({ state }) => state === "running" || state === "waiting").length;
  }

  /** Put files below a directory. One that an earlier attempt left off at goes on there. */
  put(where: Where, directory: string, files: Dropped[]): void {
    const fresh = files.map(({ file, path }) => {
      const target = splitPath(path).reduce(childPath, directory);
      return new Transfer(true, where, target, file.size, { file, modified: file.lastModified });
    });
    const replaced = new Set(fresh.map((each) => keyOf(where, each.path)));
    for (const each of this.list) if (each.up && each.state !== "done" && replaced.has(keyOf(each.where, each.path))) this.#stop(each);
    this.list = [...this.list.filter((each) => !each.up || !replaced.has(keyOf(each.where, each.path))), ...fresh];
    this.unfolded = true;
    this.next();
  }

  /** Save the file that an object is. */
  save({ where, pointer }: ObjectView): void {
    this.list = [...this.list, new Transfer(false, where, fullPath(pointer), pointer.size, { version: pointer.version })];
    this.unfolded = true;
    this.next();
  }

  pause(transfer: Transfer): void {
    this.#stop(transfer);
    transfer.state = "paused";
    this.next();
  }

  resume(transfer: Transfer): void {
    transfer.failure = null;
    transfer.attempts = 0;
    transfer.state = "waiting";
    this.next();
  }

  /** Go on with one of an earlier page, whose file was chosen again. */
  found(transfer: Transfer, file: File): void {
    if (file.size !== transfer.size || file.lastModified !== transfer.modified) {
      transfer.failure = makeFailure("Invalid", `${file.name} is not the file that was begun`, "Choose that one, or put this one as a new file.");
      return;
    }
    transfer.file = file;
    this.resume(transfer);
  }

  /** Begin those that failed again. */
  retry(): void {
    for (const each of this.list) if (each.state === "failed") this.resume(each);
  }

  remove(transfer: Transfer): void {
    this.#stop(transfer);
    this.list = this.list.filter((each) => each !== transfer);
    this.next();
  }

  clear(): void {
    this.list = this.list.filter(({ open }) => open);
  }

  /** Begin what can be begun now. */
  next(): void {
    let free = this.list.reduce((left, each) => (each.state === "running" ? left - share(each) : left), AT_ONCE);
    for (const each of this.list) {
      if (free <= 0) break;
      if (each.state !== "waiting" || each.notBefore > Date.now() || this.#session.reach(each.where) !== "up") continue;
      free -= share(each);
      void this.#start(each);
    }
    rememberUnfinished(this.list);
  }

  async #start(transfer: Transfer): Promise<void> {
    const run = (transfer.run = nextRun());
    transfer.state = "running";
    transfer.done = 0;
    try {
      if (transfer.up) await this.#put(transfer, run);
      else await this.#save(transfer, run);
      if (transfer.run === run) [transfer.state, transfer.done] = ["done", transfer.size];
    } catch (error) {
      if (transfer.run === run) this.#failed(transfer, toFailure(error));
    }
    this.next();
  }

  async #put(transfer: Transfer, run: number): Promise<void> {
    const { where, path, file } = transfer;
    if (file === null) throw new Error("the file must be chosen again");
    const { port } = this.#session;
    port.give(run, file);
    const upload = `${file.size}-${file.lastModified}`;
    const pointer: Pointer = await port.call("upload", { where, path, raid: 0, size: file.size, upload, run });
    this.#session.saved(where, path, pointer);
  }

  async #save(transfer: Transfer, run: number): Promise<void> {
    const { where, path, version } = transfer;
    const { name } = await this.#session.port.call("download", { where, path, version, run });
    const file = this.#session.port.take(run);
    if (file !== null) saveAs(file, name);
  }

  #failed(transfer: Transfer, failure: Failure): void {
    if (failure.code !== "Unavailable" || ++transfer.attempts > ATTEMPTS) {
      [transfer.failure, transfer.state] = [failure, "failed"];
      return;
    }
    transfer.state = "waiting";
    transfer.notBefore = Date.now() + AGAIN;
    setTimeout(() => this.next(), AGAIN + 50); // or when its place is back, if that is later
  }

  #stop(transfer: Transfer): void {
    const { run } = transfer;
    transfer.run = -1;
    if (transfer.state === "running") this.#session.port.call("cancel", { run }).catch(() => undefined); // it has ended
  }
}

function share({ size }: Transfer): number {
  return size <= SMALL ? 1 : 3;
}

function rememberUnfinished(list: Transfer[]): void {
  const open = list.filter((each) => each.up && each.open);
  const rows: Unfinished[] = open.slice(0, REMEMBERED).map(({ where, path, size, modified }) => ({ where, path, size, modified }));
  remember(MEMORY, JSON.stringify(rows), "tab");
}

function recallUnfinished(): Transfer[] {
  try {
    const rows = JSON.parse(recall(MEMORY, "tab") ?? "[]") as Unfinished[];
    return rows.map(({ where, path, size, modified }) => {
      const found = new Transfer(true, where, path, size, { modified });
      found.state = "lost";
      return found;
    });
  } catch {
    return [];
  }
}
