/** What the dialogs of the tree say. */

import type { Ask } from "../state/workspace.svelte";

interface Words {
  title(directory: boolean): string;
  text(directory: boolean): string;
  label: string;
  button(directory: boolean): string;
}

export const WORDS: Record<Ask["kind"], Words> = {
  mkdir: {
    title: () => "New directory",
    text: () => "Directories on the way are made too.",
    label: "Path of the new directory",
    button: () => "Make directory",
  },
  rename: {
    title: () => "Rename or move",
    text: () => "It keeps its identity and its versions. An existing directory as the target takes it in.",
    label: "New path",
    button: () => "Move",
  },
  copy: {
    title: () => "Copy",
    text: (directory) =>
      directory ? "The copy holds everything below it, with identities of their own." : "The copy gets an identity of its own.",
    label: "Path of the copy",
    button: () => "Copy",
  },
  remove: {
    title: (directory) => (directory ? "Remove this directory and everything in it?" : "Remove this object?"),
    text: (directory) =>
      directory
        ? "This is recursive: every object and directory below goes too. Undo brings all of it back."
        : "It disappears from its directory. Undo brings it back.",
    label: "",
    button: (directory) => (directory ? "Remove recursively" : "Remove"),
  },
};
