/** Completion, signatures and documentation in the editor. Part of the late chunk (see codemirror.ts). */

import {
  acceptCompletion,
  autocompletion,
  closeCompletion,
  completionStatus,
  moveCompletionSelection,
  selectedCompletion,
  startCompletion,
  type Completion,
  type CompletionContext,
  type CompletionResult,
} from "@codemirror/autocomplete";
import { Prec, StateEffect, StateField, type EditorState, type Extension } from "@codemirror/state";
import { EditorView, hoverTooltip, keymap, showTooltip, type KeyBinding, type Tooltip } from "@codemirror/view";
import type { CompletionItem, Described } from "../../protocol";
import type { Assist } from "../state/assist";

const ICONS: Record<CompletionItem["kind"], string> = {
  function: "function",
  class: "class",
  module: "namespace",
  property: "property",
  value: "variable",
  keyword: "keyword",
  parameter: "property",
  path: "text",
  directory: "namespace",
  key: "text",
};

export function assistance(assist: Assist): Extension {
  return [
    autocompletion({ override: [(context) => complete(assist, context)], selectOnOpen: false, interactionDelay: 0, defaultKeymap: false, maxRenderedOptions: 100 }),
    Prec.highest(keymap.of(KEYS)),
    keymap.of(helpKeys(assist)),
    hoverTooltip(async (view, pos) => hover(assist, view, pos), { hoverTime: 400 }),
    help,
    EditorView.updateListener.of((update) => {
      if (!update.docChanged && !update.selectionSet) return;
      const typed = update.transactions.some((each) => each.isUserEvent("input.type"));
      const last = update.state.sliceDoc(Math.max(0, update.state.selection.main.head - 1), update.state.selection.main.head);
      if (update.state.field(help) !== null || (typed && "(,".includes(last) && last !== "")) void showCall(assist, update.view);
    }),
    look,
  ];
}

/** The popup selects nothing by itself: Enter stays a new line until an arrow or Tab chose. */
const KEYS: readonly KeyBinding[] = [
  { key: "Ctrl-Space", run: startCompletion },
  { key: "Alt-Escape", run: startCompletion },
  { key: "ArrowDown", run: moveCompletionSelection(true) },
  { key: "ArrowUp", run: moveCompletionSelection(false) },
  { key: "PageDown", run: moveCompletionSelection(true, "page") },
  { key: "PageUp", run: moveCompletionSelection(false, "page") },
  { key: "Enter", run: (view) => selectedCompletion(view.state) !== null && acceptCompletion(view) },
  {
    key: "Tab",
    run: (view) => {
      if (completionStatus(view.state) !== "active") return false;
      if (selectedCompletion(view.state) === null) moveCompletionSelection(true)(view);
      return acceptCompletion(view);
    },
  },
  { key: "Escape", stopPropagation: true, run: (view) => [closeCompletion(view), closeHelp(view)].includes(true) },
];

// --- completion
async function complete(assist: Assist, context: CompletionContext): Promise<CompletionResult | null> {
  const before = context.state.sliceDoc(0, context.pos);
  if (!context.explicit && !/[\p{L}\p{N}_./'"[% ]$/u.test(before)) return null;
  if (!context.explicit && /(^|[^\p{L}\p{N}_.])\d+\.?$|[^.\p{L}\p{N}_]\s$|^\s*$|[^\s%]\s*%$/u.test(before.slice(-40))) return null;
  if (!context.explicit && / $/.test(before) && !/\b(import|from) $/.test(before.slice(-40))) return null;
  const found = await assist("complete", before, context.state.sliceDoc(context.pos));
  if (found === null || found.items.length === 0) return null;
  if (!context.explicit && found.typed === "" && !/[./'"[%]$|\b(import|from) $/.test(before.slice(-40))) return null;
  const path = found.items.some(({ kind }) => kind === "path" || kind === "directory" || kind === "key");
  return {
    from: context.pos - found.typed.length,
    options: found.items.map((item, at) => option(item, at, found.items.length)),
    validFor: found.whole ? (path ? /^[^/'"\n]*$/ : /^[\p{L}\p{N}_.]*$/u) : undefined,
  };
}

/** Earlier ones first among those that fit as well; private ones last. */
function option({ text, kind, detail }: CompletionItem, at: number, of: number): Completion {
  const boost = Math.round(20 - (40 * at) / Math.max(of, 1)) - (text.startsWith("_") ? 30 : 0) + (kind === "parameter" ? 30 : 0);
  const shown = detail.length > 48 ? `${detail.slice(0, 47)}…` : detail;
  const apply = kind === "directory" && text !== "/" ? `${text}/` : text;
  return {
    label: text,
    ...(shown ? { detail: shown } : {}),
    type: ICONS[kind],
    boost,
    apply: (view, _, from, to) => {
      view.dispatch({ changes: { from, to, insert: apply }, selection: { anchor: from + apply.length }, userEvent: "input.complete", scrollIntoView: true });
      if (kind === "directory") setTimeout(() => startCompletion(view));
    },
  };
}

// --- signatures and documentation
const setHelp = StateEffect.define<{ about: Described; pos: number } | null>();

const help = StateField.define<Tooltip | null>({
  create: () => null,
  update(shown, transaction) {
    for (const effect of transaction.effects) {
      if (effect.is(setHelp)) return effect.value && tooltip(effect.value.about, effect.value.pos);
    }
    return shown && transaction.docChanged ? { ...shown, pos: transaction.changes.mapPos(shown.pos) } : shown;
  },
  provide: (field) => showTooltip.from(field),
});

function tooltip(about: Described, pos: number): Tooltip {
  return { pos, above: true, strictSide: false, arrow: false, create: () => ({ dom: card(about) }) };
}

function closeHelp(view: EditorView): boolean {
  if (view.state.field(help) === null) return false;
  view.dispatch({ effects: setHelp.of(null) });
  return true;
}

function helpKeys(assist: Assist): KeyBinding[] {
  const ask = (view: EditorView): boolean => {
    void showCall(assist, view, true);
    return true;
  };
  return [
    { key: "Ctrl-Shift-Space", run: ask },
    { key: "Mod-i", run: ask },
    { key: "Shift-Tab", run: (view) => !atIndent(view.state) && ask(view) },
  ];
}

/** Whether Shift+Tab means less indentation here. */
function atIndent(state: EditorState): boolean {
  const { main } = state.selection;
  return !main.empty || /^\s*$/.test(state.sliceDoc(state.doc.lineAt(main.head).from, main.head));
}

/** Show what the call takes that is being written; `asked`: else what the name is. */
async function showCall(assist: Assist, view: EditorView, asked = false): Promise<void> {
  const { state } = view;
  const pos = state.selection.main.head;
  const before = state.sliceDoc(0, pos);
  let found = await assist("call", before, "");
  if (asked && !found?.about) found = await assist("name", state.sliceDoc(0, wordEnd(state, pos)), "");
  if (view.state.doc !== state.doc || view.state.selection.main.head !== pos) return; // late
  if (found?.about) view.dispatch({ effects: setHelp.of({ about: found.about, pos }) });
  else closeHelp(view);
}

async function hover(assist: Assist, view: EditorView, pos: number): Promise<Tooltip | null> {
  const end = wordEnd(view.state, pos);
  if (end === pos && !/[\p{L}\p{N}_]/u.test(view.state.sliceDoc(pos - 1, pos))) return null;
  const found = await assist("name", view.state.sliceDoc(0, end), "");
  return found?.about ? tooltip(found.about, pos) : null;
}

function wordEnd(state: EditorState, pos: number): number {
  const line = state.doc.lineAt(pos);
  return pos + (/^[\p{L}\p{N}_]*/u.exec(state.sliceDoc(pos, line.to))?.[0].length ?? 0);
}

/** What is known of a name, as text: no markup of anybody's. */
function card({ name, parameters, active, kind, doc }: Described): HTMLElement {
  const dom = element("div", "cm-card");
  dom.setAttribute("data-testid", "about");
  dom.setAttribute("role", "status");
  const head = element("p", "cm-signature");
  if (parameters === null) head.append(element("b", "", name), element("span", "", ` ${kind}`));
  else {
    head.append(element("b", "", name), "(");
    parameters.forEach((text, at) => head.append(at ? ", " : "", element("span", at === active ? "cm-active" : "", text)));
    head.append(")");
  }
  dom.append(head);
  if (doc) dom.append(element("pre", "", doc));
  return dom;
}

function element(tag: string, className: string, text = ""): HTMLElement {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.textContent = text;
  return made;
}

const look = EditorView.theme({
  ".cm-tooltip": {
    zIndex: "40",
    border: "1px solid var(--edge)",
    borderRadius: "var(--round)",
    backgroundColor: "var(--lift)",
    color: "var(--ink)",
    boxShadow: "var(--shadow, 0 4px 16px rgb(0 0 0 / 0.15))",
  },
  ".cm-tooltip.cm-tooltip-autocomplete > ul": { maxHeight: "15.5em", minWidth: "14em", maxWidth: "min(40em, 92vw)", fontFamily: "var(--mono)", fontSize: "var(--text-s)" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li": { display: "flex", alignItems: "baseline", gap: "0.5em", padding: "2px 8px", lineHeight: "1.5" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li[aria-selected]": { backgroundColor: "var(--selection)", color: "var(--ink)" },
  ".cm-completionDetail": { marginLeft: "auto", paddingLeft: "1.5em", overflow: "hidden", color: "var(--ink-soft)", fontStyle: "normal", textOverflow: "ellipsis" },
  ".cm-completionMatchedText": { textDecoration: "none", fontWeight: "600" },
  ".cm-completionIcon": { flex: "none", width: "1.2em", opacity: "1", color: "var(--ink-faint)" },
  ".cm-card": { maxWidth: "min(44rem, 92vw)", maxHeight: "16rem", overflow: "auto", padding: "4px 10px", fontSize: "var(--text-s)" },
  ".cm-signature": { fontFamily: "var(--mono)", overflowWrap: "anywhere" },
  ".cm-signature span": { color: "var(--ink-soft)" },
  ".cm-signature span.cm-active": { color: "var(--ink)", fontWeight: "600", textDecoration: "underline" },
  ".cm-card pre": { margin: "4px 0 0", fontFamily: "var(--sans)", whiteSpace: "pre-wrap", color: "var(--ink-soft)" },
});
