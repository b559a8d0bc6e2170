/** What can be done from anywhere, by name (the palette) or by key. A row here is a command; its keys can be changed. */

import { bind, isTyped, nameStroke, readKeys, rebind } from "../logic/shortcut";
import { recall, remember } from "./memory";
import type { Workspace } from "./workspace.svelte";

export interface Command {
  id: string;
  title: string;
  keys: string;
  run(): void;
}

const KEPT = "keys";

export class Commands {
  /** Which of these dialogs is open. */
  open = $state<"palette" | "shortcuts" | "sessions" | null>(null);
  /** The user's own keys, by the command's id. */
  own = $state.raw<Record<string, string>>(readKeys(recall(KEPT)));
  readonly list: Command[];
  #bound = $derived.by(() => bind(this.list, this.own));

  constructor(workspace: Workspace) {
    const { navigation, layout, theme, trees } = workspace;
    const show = (pane: "local" | "cluster"): void => {
      layout.fold(pane, false);
      layout.hideTrees(false);
      navigation.pane = pane;
      setTimeout(() => trees[pane].element?.focus());
    };
    this.list = [
      { id: "palette", title: "Find a command or a path", keys: "Ctrl+K", run: () => (this.open = "palette") },
      { id: "shortcuts", title: "Keyboard shortcuts", keys: "?", run: () => (this.open = "shortcuts") },
      { id: "local", title: "Go to this browser’s tree", keys: "Alt+1", run: () => show("local") },
      { id: "cluster", title: "Go to the cluster’s tree", keys: "Alt+2", run: () => show("cluster") },
      { id: "console", title: "Go to the console", keys: "Alt+3", run: () => this.#prompt(workspace) },
      { id: "fold", title: "Fold or unfold the console", keys: "Ctrl+J", run: () => layout.fold("console") },
      { id: "dock", title: "Put the console below or to the right", keys: "", run: () => layout.move() },
      { id: "trees", title: "Hide or show the trees", keys: "Ctrl+B", run: () => layout.hideTrees() },
      { id: "open-local", title: "Open this browser", keys: "", run: () => navigation.open("local", "/") },
      { id: "open-cluster", title: "Open the cluster", keys: "", run: () => navigation.open("cluster", "/") },
      { id: "nodes", title: "Show the nodes of the cluster", keys: "", run: () => navigation.open("cluster", "/", 0, "nodes") },
      { id: "refresh", title: "List both trees again", keys: "", run: () => void Promise.all([trees.local.refresh(), trees.cluster.refresh()]) },
      { id: "mkdir-local", title: "New directory in this browser", keys: "", run: () => this.#make(workspace, "local") },
      { id: "mkdir-cluster", title: "New directory on the cluster", keys: "", run: () => this.#make(workspace, "cluster") },
      { id: "theme", title: "Change between light, dark and the system’s", keys: "", run: () => theme.next() },
      { id: "sessions", title: "Where you are signed in; sign out", keys: "", run: () => (this.open = "sessions") },
      { id: "restart", title: "Restart Python", keys: "", run: () => (workspace.restarting = true) },
    ];
  }

  /** The keys that run it; "" for none. */
  keysOf(command: Command): string {
    const keys = this.own[command.id] ?? command.keys;
    return this.#bound.get(keys) === command.id ? keys : "";
  }

  /** The command that keys run. */
  holder(keys: string): Command | undefined {
    const id = this.#bound.get(keys);
    return this.list.find((command) => command.id === id);
  }

  /** Give a command other keys, "" for none, null for those that it came with. */
  rebind(id: string, keys: string | null): void {
    this.own = rebind(this.list, this.own, id, keys);
    remember(KEPT, JSON.stringify(this.own));
  }

  /** Run what a key means; false when it means nothing here. */
  press(event: KeyboardEvent): boolean {
    const name = nameStroke(event);
    const id = this.open === null && !event.defaultPrevented ? this.#bound.get(name) : undefined;
    if (id === undefined || (isTyped(name) && isField(event.target))) return false;
    this.list.find((command) => command.id === id)?.run();
    return true;
  }

  #prompt({ navigation, layout }: Workspace): void {
    layout.fold("console", false);
    navigation.pane = "console";
    setTimeout(() => document.querySelector<HTMLElement>('.cm-content[data-testid="prompt"]')?.focus());
  }

  #make(workspace: Workspace, where: "local" | "cluster"): void {
    if (workspace.session.outage(where) === null) workspace.ask = { kind: "mkdir", where, path: "/", directory: true };
  }
}

function isField(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}
