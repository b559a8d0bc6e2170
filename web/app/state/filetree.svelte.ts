/** One filesystem's tree in the page: lists pages as they are needed and follows changes. */

import type { ListPage, Pointer, Where } from "../../protocol";
import { PAGE, type Port } from "../port";
import { earlier } from "../logic/away";
import { toFailure } from "../logic/failure";
import { ancestors, nameOf, parentPath } from "../logic/path";
import { comesBefore, cursorBefore, Tree, type Branch, type Change, type Lack, type Row } from "../logic/tree";

const REGISTRY = "/registry"; // is listed in another order than that of names
const SETTLE = 120; // ms: changes that come together are listed together

export class FileTree {
  readonly where: Where;
  rows = $state.raw<Row[]>([]);
  /** The row that the keyboard is at. */
  focus = $state("/");
  /** Asks the pane to bring a path into view; a new object each time. */
  wanted = $state.raw<{ path: string } | null>(null);
  seen = $state.raw<Date | null>(null);
  /** The directory that files would be dropped on. */
  dropping = $state<string | null>(null);
  /** What has the keyboard when the tree has it. */
  element: HTMLElement | null = null;
  /** How many lists are being read. */
  busy = $state(0);
  /** Whether what nodes hold that are away is left out of what was listed. */
  lacks = $state(false);
  #port: Port;
  #tree = new Tree();
  #jobs = new Map<string, Promise<void>>();
  #dirty = new Set<string>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #drawing = false;

  constructor(port: Port, where: Where) {
    this.#port = port;
    this.where = where;
    this.#draw();
    port.on("change", (change) => {
      if (change.where === where) this.#follow(change);
    });
  }

  /** What is known at a path. Reads `rows`, so that it is asked again when they change. */
  find(path: string): Branch | undefined {
    return this.rows.length > 0 ? this.#tree.find(path) : undefined;
  }

  /** List everything that is shown again; at first, the root. */
  async refresh(): Promise<void> {
    const listed = this.#tree.listed().map((branch) => branch.path);
    if (listed.length === 0) await this.more("/");
    else for (const path of listed) await this.#relist(path);
    for (const row of this.rows) if (row.kind === "more" && row.failure !== null) await this.more(row.directory);
  }

  /** List the directories again in which these paths show. */
  async refreshAround(paths: string[]): Promise<void> {
    const listed = paths.flatMap(ancestors).filter((path) => this.#tree.find(path)?.children != null);
    for (const path of new Set(listed)) await this.#relist(path);
  }

  /** List again what lacks something: no change tells that a node is back. */
  async complete(): Promise<void> {
    for (const path of this.#tree.lacking()) await this.#relist(path);
  }

  /** The page of a directory after what is listed of it now, however often that is asked for. */
  more(directory: string): Promise<void> {
    const shown = this.#tree.find(directory);
    const [listed, after] = [shown?.children != null, shown?.cursor];
    return this.#alone(directory, async (branch) => {
      if (branch.children !== null && branch.cursor === "" && branch.failure === null) return;
      if ((branch.children !== null) !== listed || branch.cursor !== after) return;
      const page = await this.#list(directory, branch.cursor);
      const back = branch.away !== "";
      this.#tree.append(directory, page.entries, page.cursor, page);
      if (back) this.#relistSoon([parentPath(directory)]);
    });
  }

  expand(path: string): void {
    const branch = this.#tree.find(path);
    if (branch === undefined || !branch.directory || branch.expanded) return;
    branch.expanded = true;
    this.#draw();
  }

  collapse(path: string): void {
    const branch = this.#tree.find(path);
    if (branch === undefined || !branch.expanded) return;
    branch.expanded = false;
    this.#draw();
  }

  toggle(path: string): void {
    if (this.#tree.find(path)?.expanded === true) this.collapse(path);
    else this.expand(path);
  }

  /** Open the directories on the way to a path, and the one that it is (what has the keyboard's row is left as it is),
   *  and bring it into view; undefined when it is not there. */
  async reveal(path: string): Promise<Branch | undefined> {
    for (const [depth, directory] of ancestors(path).entries()) {
      const next = ancestors(path)[depth + 1] ?? path;
      if (!(await this.#find(directory, next))) return undefined;
      this.expand(directory);
    }
    if (this.focus !== path) this.expand(path);
    this.focus = path;
    this.wanted = { path };
    return this.#tree.find(path);
  }

  /** The entries before those that are shown, as many as a page has. */
  earlier(directory: string): Promise<void> {
    return this.#alone(directory, async (branch) => {
      const first = branch.children?.[0]?.pointer?.name;
      if (branch.start === "" || first === undefined) return;
      const question = { where: this.where, path: directory, inside: true, text: "", order: "", descending: false, limit: PAGE };
      const { cursors } = await this.#port.call("pages", question);
      const start = cursors.findLast((cursor) => comesBefore(cursor, branch.start)) ?? "";
      const page = await this.#list(directory, start);
      const entries = page.entries.filter(({ name }) => comesBefore(name, first));
      this.#tree.prepend(directory, start, entries, page);
    });
  }

  /** List the part of a directory that has an entry, however far from the first that is; false: it is not there. */
  async #jump(directory: string, path: string): Promise<boolean> {
    await this.#alone(directory, async () => {
      if (this.#tree.find(path) !== undefined) return; // listed while this waited
      const start = cursorBefore(nameOf(path));
      const page = await this.#list(directory, start);
      if (!page.entries.some(({ name }) => name === nameOf(path))) return;
      this.#relistSoon(this.#tree.jump(directory, start, page.entries, page.cursor, page));
    });
    return this.#tree.find(path) !== undefined;
  }

  async #find(directory: string, path: string): Promise<boolean> {
    for (let again = true; ; ) {
      if (this.#tree.find(path) !== undefined) return true;
      const branch = this.#tree.find(directory);
      if (branch === undefined || !branch.directory) return false;
      const listed = branch.children?.length ?? -1;
      if (branch.children !== null && branch.cursor === "" && branch.start === "") {
        if (!again) return false;
        again = false; // what was listed may be older than the path
        await this.#relist(directory);
        continue;
      }
      if (listed >= 0 && directory !== REGISTRY) return this.#jump(directory, path);
      await this.more(directory);
      if (branch.failure !== null || (branch.children?.length ?? -1) === listed) return false;
    }
  }

  #follow(change: Change): void {
    this.#relistSoon(this.#tree.apply(change));
    this.#drawSoon();
  }

  #relistSoon(paths: string[]): void {
    for (const path of paths) this.#dirty.add(path);
    if (this.#dirty.size > 0 && this.#timer === undefined) this.#timer = setTimeout(() => void this.#settle(), SETTLE);
  }

  async #settle(): Promise<void> {
    const began = performance.now();
    const paths = [...this.#dirty].sort();
    this.#dirty.clear();
    for (const path of paths) await this.#relist(path);
    // A slow list under a flood of changes must not take all the kernel's time.
    const pause = Math.max(SETTLE, 3 * (performance.now() - began));
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#dirty.size > 0) this.#timer = setTimeout(() => void this.#settle(), 0);
    }, pause);
  }

  /** List a directory again, as far as it was listed before. */
  #relist(directory: string): Promise<void> {
    return this.#alone(directory, async (branch) => {
      const wanted = Math.max(branch.children?.length ?? 0, 1);
      const entries: Pointer[] = [];
      const lack: Lack = { missing: [], away: {} };
      let cursor = branch.start;
      do {
        const page = await this.#list(directory, cursor);
        entries.push(...page.entries);
        lack.missing = [...new Set([...lack.missing, ...page.missing])];
        lack.away = { ...lack.away, ...page.away };
        lack.stale = earlier(lack.stale ?? "", page.stale);
        cursor = page.cursor;
      } while (cursor !== "" && entries.length < wanted);
      this.#relistSoon(this.#tree.replace(directory, entries, cursor, lack));
    });
  }

  async #list(path: string, cursor: string): Promise<ListPage> {
    const page = await this.#port.call("list", { where: this.where, path, cursor, limit: PAGE });
    this.seen = page.stale === "" ? new Date() : new Date(page.stale);
    return page;
  }

  /** One job at a time per directory; its failure is shown where the entries would be. */
  #alone(directory: string, job: (branch: Branch) => Promise<void>): Promise<void> {
    const before = this.#jobs.get(directory) ?? Promise.resolve();
    const mine = before.then(async () => {
      const branch = this.#tree.find(directory);
      if (branch === undefined) return;
      this.busy += 1;
      const takenOver = this.#tree.read();
      try {
        await job(branch);
      } catch (error) {
        branch.failure = toFailure(error);
      }
      this.busy -= 1;
      this.#relistSoon(takenOver());
      this.#draw();
    });
    this.#jobs.set(directory, mine);
    return mine;
  }

  #draw(): void {
    this.rows = this.#tree.rows();
    this.lacks = this.#tree.lacking().length > 0;
  }

  #drawSoon(): void {
    if (this.#drawing) return;
    this.#drawing = true;
    requestAnimationFrame(() => {
      this.#drawing = false;
      this.#draw();
    });
  }
}
