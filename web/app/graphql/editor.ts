/** CodeMirror for GraphQL documents: completion and errors by the schema, once there is one. */

import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { bracketMatching, HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import { EditorState, Prec } from "@codemirror/state";
import { drawSelection, EditorView, keymap } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { graphql } from "cm6-graphql";
import type { GraphQLSchema } from "graphql";
import { colours, look } from "../ui/codemirror";

export { updateSchema } from "cm6-graphql";

export interface DocumentOptions {
  parent: HTMLElement;
  text: string;
  label: string;
  testid: string;
  onchange(text: string): void;
  onrun(): void;
}

const more = HighlightStyle.define([
  { tag: [tags.propertyName, tags.attributeName], color: "var(--code-name)" },
  { tag: [tags.atom, tags.typeName], color: "var(--code-keyword)" },
]);

export function createDocumentEditor({ parent, text, label, testid, onchange, onrun }: DocumentOptions, schema?: GraphQLSchema): EditorView {
  const run = (): boolean => (onrun(), true);
  const extensions = [
    Prec.high(keymap.of(["Shift-Enter", "Mod-Enter", "Ctrl-Enter"].map((key) => ({ key, run })))),
    graphql(schema),
    autocompletion(),
    history(),
    bracketMatching(),
    closeBrackets(),
    drawSelection(),
    syntaxHighlighting(colours),
    syntaxHighlighting(more),
    look,
    EditorView.lineWrapping,
    EditorView.contentAttributes.of({ "aria-label": label, "data-testid": testid, tabindex: "0", spellcheck: "false", autocapitalize: "off" }),
    keymap.of([...completionKeymap, ...closeBracketsKeymap, ...defaultKeymap, ...historyKeymap, indentWithTab, { key: "Escape", run: (view) => (view.contentDOM.blur(), true) }]),
    EditorView.updateListener.of((update) => {
      if (update.docChanged) onchange(update.state.doc.toString());
    }),
  ];
  return new EditorView({ parent, state: EditorState.create({ doc: text, extensions, selection: { anchor: text.length } }) });
}

/** Put a text where the cursor is. */
export function insertText(view: EditorView, text: string): void {
  view.dispatch(view.state.replaceSelection(text));
  view.focus();
}

/** Put another document in place of what is there; it can be undone. */
export function replaceText(view: EditorView, text: string): void {
  if (view.state.doc.toString() === text) return;
  view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text }, selection: { anchor: text.length } });
}
