/** CodeMirror as this page uses it. Imported late (see Editor.svelte): it is half of the page's script. */

import { closeBrackets, closeBracketsKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { python } from "@codemirror/lang-python";
import { bracketMatching, HighlightStyle, indentOnInput, indentUnit, syntaxHighlighting } from "@codemirror/language";
import { EditorState, Prec } from "@codemirror/state";
import { drawSelection, EditorView, keymap, lineNumbers, placeholder } from "@codemirror/view";
import { tags } from "@lezer/highlight";

import type { Assist } from "../state/assist";
import { assistance } from "./assist";

export type Submit = "advance" | "stay" | "insert";

export interface EditorOptions {
  parent: HTMLElement;
  text: string;
  label: string;
  testid: string;
  readOnly: boolean;
  /** Text rather than Python. */
  prose?: boolean;
  hint: string;
  /** Answers what completes and explains the text. */
  assist?: Assist | undefined;
  onchange?(text: string): void;
  /** Shift+Enter ("advance"), Ctrl+Enter ("stay") or Alt+Enter ("insert"). */
  onsubmit?(how: Submit): void;
  /** Arrow up in the first line (-1) or down in the last (1); true when it did something. */
  onleave?(direction: -1 | 1): boolean;
}

export const colours = HighlightStyle.define([
  { tag: [tags.keyword, tags.operatorKeyword, tags.self], color: "var(--code-keyword)" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--code-string)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--code-number)" },
  { tag: [tags.definition(tags.function(tags.variableName)), tags.className, tags.definition(tags.className)], color: "var(--code-name)" },
  { tag: [tags.function(tags.variableName), tags.meta], color: "var(--code-name)" },
  { tag: tags.comment, color: "var(--code-comment)", fontStyle: "italic" },
]);

export const look = EditorView.theme({
  "&": { backgroundColor: "transparent", color: "var(--ink)", fontSize: "var(--text-m)", height: "100%" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.55" },
  ".cm-content": { padding: "6px 0", caretColor: "var(--ink)" },
  ".cm-line": { padding: "0 10px" },
  ".cm-cursor": { borderLeftColor: "var(--ink)", borderLeftWidth: "2px" },
  ".cm-gutters": { backgroundColor: "transparent", color: "var(--ink-faint)", border: "none" },
  ".cm-lineNumbers .cm-gutterElement": { minWidth: "2.4em", padding: "0 4px 0 8px" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    backgroundColor: "var(--selection)",
  },
  "&.cm-focused .cm-matchingBracket": { backgroundColor: "transparent", outline: "1px solid var(--edge)" },
  ".cm-placeholder": { color: "var(--ink-faint)" },
});

export function createEditor(options: EditorOptions): EditorView {
  const { parent, text, readOnly } = options;
  const reached = readOnly ? { tabindex: "0" } : null; // what scrolls must be reached by the keyboard
  const attributes = { ...reached, "aria-label": options.label, "data-testid": options.testid, spellcheck: "false", autocapitalize: "off" };
  const extensions = [
    Prec.high(keymap.of(ownKeys(options))),
    options.prose ? [] : python(),
    indentUnit.of("    "),
    syntaxHighlighting(colours),
    look,
    lineNumbers(),
    drawSelection(),
    EditorView.contentAttributes.of(attributes),
    readOnly ? [EditorState.readOnly.of(true), EditorView.editable.of(false)] : writing(options),
  ];
  return new EditorView({ parent, state: EditorState.create({ doc: text, extensions, selection: { anchor: text.length } }) });
}

function writing({ hint, assist, onchange }: EditorOptions): import("@codemirror/state").Extension {
  return [
    assist ? assistance(assist) : [],
    history(),
    bracketMatching(),
    closeBrackets(),
    indentOnInput(),
    placeholder(hint),
    EditorView.lineWrapping,
    keymap.of([...closeBracketsKeymap, ...defaultKeymap, ...historyKeymap, indentWithTab]),
    EditorView.updateListener.of((update) => {
      if (update.docChanged) onchange?.(update.state.doc.toString());
    }),
  ];
}

function ownKeys({ onsubmit, onleave }: EditorOptions): import("@codemirror/view").KeyBinding[] {
  const submit = (how: Submit) => (): boolean => {
    onsubmit?.(how);
    return onsubmit !== undefined;
  };
  const leave = (direction: -1 | 1) => (view: EditorView): boolean => {
    const { doc, selection } = view.state;
    const line = doc.lineAt(selection.main.head).number;
    if (!selection.main.empty || line !== (direction < 0 ? 1 : doc.lines)) return false;
    return onleave?.(direction) ?? false;
  };
  return [
    { key: "Shift-Enter", run: submit("advance") },
    { key: "Mod-Enter", run: submit("stay") },
    { key: "Ctrl-Enter", run: submit("stay") },
    { key: "Alt-Enter", run: submit("insert") },
    { key: "ArrowUp", run: leave(-1) },
    { key: "ArrowDown", run: leave(1) },
    { key: "Escape", run: (view) => (view.contentDOM.blur(), true) }, // Tab indents: this is the way out
  ];
}

export function setText(view: EditorView, text: string): void {
  if (view.state.doc.toString() === text) return;
  view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text }, selection: { anchor: text.length } });
}
