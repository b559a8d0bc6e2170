/** Everything the page knows, made once and handed to components through the context. */

import { createContext } from "svelte";
import type { Where } from "../../protocol";
import type { Port } from "../port";
import { Assistant } from "./assist";
import { Changes } from "./changes.svelte";
import { Commands } from "./commands.svelte";
import { Consent } from "./consent.svelte";
import { Console } from "./console.svelte";
import { Desk } from "./desk.svelte";
import { Drafts } from "./drafts.svelte";
import { Exchange } from "./exchange.svelte";
import { Feed } from "./feed.svelte";
import { FileTree } from "./filetree.svelte";
import { Kept } from "./kept";
import { Layout } from "./layout.svelte";
import type { LiveCells } from "./live.svelte";
import { Navigation } from "./navigation.svelte";
import { Notices } from "./notices.svelte";
import { SeenPort } from "./seen";
import { Scripts } from "./scripts.svelte";
import { BrowserStorage } from "./storage.svelte";
import { Runs } from "./runs.svelte";
import { Session } from "./session.svelte";
import { Sweep } from "./sweeps.svelte";
import { ObjectTable } from "./table.svelte";
import { Theme } from "./theme.svelte";
import { Transfers } from "./transfers.svelte";

/** A question about an entry that a dialog is open for. */
export interface Ask {
  kind: "mkdir" | "rename" | "copy" | "remove";
  where: Where;
  path: string;
  directory: boolean;
  /** Of a move or a copy: where to, when that is the other filesystem. */
  to?: Where;
  target?: string;
  /** Several that go to the directory `target`. */
  paths?: string[];
}

export class Workspace {
  readonly session: Session;
  readonly notices = new Notices();
  readonly theme = new Theme();
  readonly navigation = new Navigation(() => this.closeDialogs());
  readonly layout = new Layout();
  readonly trees: Record<Where, FileTree>;
  readonly changes: Changes;
  readonly feed: Feed;
  readonly desk: Desk;
  readonly drafts = new Drafts();
  readonly storage: BrowserStorage;
  readonly runs: Runs;
  readonly console: Console;
  readonly live: LiveCells;
  readonly scripts: Scripts;
  readonly assistant: Assistant;
  readonly commands: Commands;
  readonly consent: Consent;
  /** The entries of directories, and the searches at or below them. */
  readonly tables: Kept<ObjectTable>;
  readonly searches: Kept<ObjectTable>;
  /** Of saved queries, by their own paths. */
  readonly queries = new Map<string, ObjectTable>();
  readonly sweeps: Kept<Sweep>;
  readonly transfers: Transfers;
  readonly exchange: Exchange;
  ask = $state.raw<Ask | null>(null);
  /** The id of a cell to bring into view in the notebook that opens; "": none. */
  wantedCell = $state("");
  /** The question whether to restart the kernel is open. */
  restarting = $state(false);

  constructor(kernel: Port) {
    const port = new SeenPort(kernel);
    this.storage = new BrowserStorage(port);
    this.session = new Session(port);
    this.trees = { local: new FileTree(port, "local"), cluster: new FileTree(port, "cluster") };
    this.changes = new Changes(port);
    this.feed = new Feed(port, "cluster");
    this.desk = new Desk(this.session, this.trees, this.navigation, this.drafts, this.changes);
    this.runs = new Runs(this.session);
    this.console = new Console(this.session, this.notices);
    this.live = this.console.queue.live;
    this.scripts = new Scripts(port);
    this.assistant = new Assistant(this.session, () => this.console.where, () => this.console.texts);
    this.commands = new Commands(this);
    this.consent = new Consent(port);
    this.tables = new Kept((where, path) => new ObjectTable(port, where, path, true));
    this.searches = new Kept((where, path) => new ObjectTable(port, where, path, false));
    this.transfers = new Transfers(this.session);
    this.exchange = new Exchange(port);
    this.sweeps = new Kept((where, path) => new Sweep(port, where, path));
  }

  /** Close the dialogs that are open, as Escape does: a question is answered with no. False if there are none. */
  closeDialogs(): boolean {
    const { question } = this.consent;
    const open = this.ask !== null || this.restarting || this.commands.open !== null || this.exchange.wanted !== null || question !== null;
    if (question !== null) this.consent.answer(question, false, false);
    this.ask = this.commands.open = null;
    if (!this.exchange.importing) this.exchange.wanted = null;
    this.restarting = false;
    return open;
  }
}

export const [useWorkspace, provideWorkspace] = createContext<Workspace>();
