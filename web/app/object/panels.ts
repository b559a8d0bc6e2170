/** The panels of an object and of a directory, in the order of their tabs. A new one is a component and its line here. */

import type { Component } from "svelte";
import type { ObjectView, Where } from "../../protocol";
import type { Workspace } from "../state/workspace.svelte";
import EarlierTab from "./EarlierTab.svelte";
import EntriesTab from "./EntriesTab.svelte";
import FileTab from "./FileTab.svelte";
import GraphQLTab from "./GraphQLTab.svelte";
import type { Listed } from "./listed";
import NotebookTab from "./NotebookTab.svelte";
import MethodsTab from "./MethodsTab.svelte";
import NodesTab from "./NodesTab.svelte";
import QueryTab from "./QueryTab.svelte";
import RightsTab from "./RightsTab.svelte";
import RunAllTab from "./RunAllTab.svelte";
import SearchTab from "./SearchTab.svelte";
import SourceTab from "./SourceTab.svelte";
import StateTab from "./StateTab.svelte";
import VersionsTab from "./VersionsTab.svelte";

type Props = Record<string, any>;

export interface Panel<P extends Props> {
  /** In the address, and in the test ids `tab-NAME` and `panel-NAME`. */
  name: string;
  label: string;
  component: Component<P>;
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
  { name: "results", label: "Results", component: QueryTab, fits: isQuery },
  { name: "notebook", label: "Notebook", component: NotebookTab, fits: isNotebook },
  { name: "file", label: "File", component: FileTab, fits: isBlob },
  { name: "state", label: "State", component: StateTab, count: ({ desk }) => Object.keys(desk.edit?.draft ?? {}).length, counted: "unsaved edits" },
  { name: "methods", label: "Methods", component: MethodsTab, count: ({ runs }, { view }) => runs.of(view).filter((run) => run.milliseconds === null).length, counted: "running", fits: (props) => !isBlob(props) && !isNotebook(props) },
  { name: "source", label: "Source", component: SourceTab, fits: (props) => !isBlob(props) && !isNotebook(props) },
  { name: "versions", label: "Versions", component: VersionsTab },
  { name: "rights", label: "Rights", component: RightsTab },
];

export const DIRECTORY_PANELS: Panels<DirectoryProps> = [
  { name: "entries", label: "Entries", component: EntriesTab },
  { name: "search", label: "Search", component: SearchTab },
  { name: "run", label: "Run on all", component: RunAllTab },
  { name: "graphql", label: "GraphQL", component: GraphQLTab },
  { name: "earlier", label: "Earlier", component: EarlierTab },
  { name: "nodes", label: "Cluster", component: NodesTab, fits: ({ where, path }) => where === "cluster" && path === "/" },
];
