/** The panels of an object and of a directory, in the order of their tabs. A new one is a component, which is
 *  loaded when it is first shown, and its line here. */

import type { Component } from "svelte";
import type { ObjectView, Where } from "../../protocol";
import type { Workspace } from "../state/workspace.svelte";
import type { Listed } from "./listed";

type Props = Record<string, any>;

export interface Panel<P extends Props> {
  /** In the address, and in the test ids `tab-NAME` and `panel-NAME`. */
  name: string;
  label: string;
  load: () => Promise<{ default: Component<P> }>;
  /** A number beside the label (0 shows none), and what it counts. */
  count?: (workspace: Workspace, props: P) => number;
  counted?: string;
  /** Whether it is offered; without this, always. */
  fits?: (props: P) => boolean;
}
/** The first one shows when the address names none of them. */
export type Panels<P extends Props> = readonly [Panel<P>, ...Panel<P>[]];

export interface ObjectProps {
  view: ObjectView;
}
export interface DirectoryProps {
  where: Where;
  path: string;
  shown: Listed;
}

/** Whether an object is a file whose bytes are in blocks. */
export function isBlob({ view }: ObjectProps): boolean {
  return view.pointer.type === "blob";
}

/** Whether an object is a notebook of Emerge's own class. */
export function isNotebook({ view }: ObjectProps): boolean {
  return view.pointer.class_name === "Notebook" && view.pointer.bundle === "";
}

/** Whether an object is a saved query. */
export function isQuery({ view }: ObjectProps): boolean {
  return view.pointer.class_name === "SavedQuery" && view.pointer.bundle === "";
}

export const OBJECT_PANELS: Panels<ObjectProps> = [
  { name: "results", label: "Results", load: () => import("./QueryTab.svelte"), fits: isQuery },
  { name: "notebook", label: "Notebook", load: () => import("./NotebookTab.svelte"), fits: isNotebook },
  { name: "file", label: "File", load: () => import("./FileTab.svelte"), fits: isBlob },
  { name: "state", label: "State", load: () => import("./StateTab.svelte"), count: ({ desk }) => Object.keys(desk.edit?.draft ?? {}).length, counted: "unsaved edits" },
  { name: "methods", label: "Methods", load: () => import("./MethodsTab.svelte"), count: ({ runs }, { view }) => runs.of(view).filter((run) => run.milliseconds === null).length, counted: "running", fits: (props) => !isBlob(props) && !isNotebook(props) },
  { name: "source", label: "Source", load: () => import("./SourceTab.svelte"), fits: (props) => !isBlob(props) && !isNotebook(props) },
  { name: "versions", label: "Versions", load: () => import("./VersionsTab.svelte") },
  { name: "rights", label: "Rights", load: () => import("./RightsTab.svelte") },
];

export const DIRECTORY_PANELS: Panels<DirectoryProps> = [
  { name: "entries", label: "Entries", load: () => import("./EntriesTab.svelte") },
  { name: "search", label: "Search", load: () => import("./SearchTab.svelte") },
  { name: "run", label: "Run on all", load: () => import("./RunAllTab.svelte") },
  { name: "graphql", label: "GraphQL", load: () => import("./GraphQLTab.svelte") },
  { name: "rights", label: "Rights", load: () => import("./RightsTab.svelte") },
  { name: "earlier", label: "Earlier", load: () => import("./EarlierTab.svelte") },
  { name: "nodes", label: "Cluster", load: () => import("./NodesTab.svelte"), fits: ({ where, path }) => where === "cluster" && path === "/" },
];
