/** Markup of a cell made safe to show, and formulas made markup. Imported late: DOMPurify, marked and KaTeX are in it. */

import DOMPurify from "dompurify";
import { marked } from "marked";

const STRICT = {
  FORBID_TAGS: ["style", "form", "input", "button", "textarea", "select"],
  FORBID_ATTR: ["style", "id", "name"],
};

/** Links open beside the page; pictures come from the data itself, never from another host. */
DOMPurify.addHook("afterSanitizeAttributes", (node) => {
  if (node.tagName === "A" && node.hasAttribute("href")) {
    node.setAttribute("target", "_blank");
    node.setAttribute("rel", "noopener noreferrer");
  }
  for (const name of ["src", "srcset", "poster", "background"]) {
    if (node.hasAttribute(name) && !/^(data|blob):/i.test(node.getAttribute(name) ?? "")) node.removeAttribute(name);
  }
});

export function cleanHTML(html: string): string {
  return DOMPurify.sanitize(html, STRICT);
}

const FORMULA = /\$\$([\s\S]+?)\$\$|(?<![\\$\w])\$(?=\S)([^$\n]*?[^\s\\$])\$(?![\w$])/g;
const HELD = /\u27e6(\d+)\u27e7/g;

/** Markdown, with formulas between `$` or `$$`, as clean HTML. Its pictures are those of `attachments`, as an .ipynb file has
 *  them: base64 by MIME type by name. */
export async function fromMarkdown(text: string, attachments: Record<string, unknown> = {}): Promise<string> {
  const formulas: string[] = [];
  const parts = text.split(/(```[\s\S]*?(?:```|$)|`[^`\n]*`)/); // code at the odd places
  const held = parts.map((part, at) => (at % 2 === 1 ? part : part.replace(FORMULA, (whole) => `\u27e6${formulas.push(whole) - 1}\u27e7`)));
  const parsed = await marked.parse(held.join(""), { gfm: true });
  const html = cleanHTML(parsed.replace(/(<img\b[^>]*?\ssrc=")attachment:([^"]*)/g, (_, before: string, name: string) => before + attached(attachments, name)));
  if (formulas.length === 0) return html;
  const drawn = await Promise.all(formulas.map(fromLatex));
  return DOMPurify.sanitize(putBack(html, formulas, drawn), { ...STRICT, ADD_TAGS: ["semantics"] });
}

function attached(attachments: Record<string, unknown>, name: string): string {
  const found = attachments[unescapeName(name)];
  for (const [mime, data] of typeof found === "object" && found !== null ? Object.entries(found) : []) {
    if (/^image\/[\w.+-]+$/.test(mime) && typeof data === "string" && /^[\w+/=\s]*$/.test(data)) return `data:${mime};base64,${data.replace(/\s/g, "")}`;
  }
  return "";
}

function unescapeName(name: string): string {
  try {
    return decodeURIComponent(name.replaceAll("&amp;", "&"));
  } catch {
    return name;
  }
}

/** Put formulas where their numbers stand: drawn in text, as they were written in what is text by itself, such as `alt`. */
function putBack(html: string, formulas: string[], drawn: string[]): string {
  const made = document.createElement("template");
  made.innerHTML = html;
  const texts: Text[] = [];
  const walker = document.createTreeWalker(made.content, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    if (node instanceof Text) texts.push(node);
    else for (const { name, value } of [...(node as Element).attributes]) (node as Element).setAttribute(name, value.replace(HELD, (whole, at) => formulas[Number(at)] ?? whole));
  }
  for (const text of texts) {
    const pieces = text.data.split(HELD); // numbers at the odd places
    if (pieces.length > 1) text.replaceWith(...pieces.map((piece, at) => (at % 2 === 0 ? piece : made.ownerDocument.createRange().createContextualFragment(drawn[Number(piece)] ?? `\u27e6${piece}\u27e7`))));
  }
  return made.innerHTML;
}

/** A formula, with or without its `$` signs, as MathML, which needs no fonts of its own; what is none as its source. */
export async function fromLatex(text: string): Promise<string> {
  const { default: katex } = await import("katex");
  const source = text.trim().replace(/^(\${1,2}|\\\[|\\\()([\s\S]*?)(\${1,2}|\\\]|\\\))$/, "$2");
  const displayMode = /^(\$\$|\\\[|\\begin)/.test(text.trim());
  try {
    return DOMPurify.sanitize(katex.renderToString(source, { output: "mathml", displayMode, throwOnError: true, trust: false, maxExpand: 500 }).replace(/<annotation[^]*?<\/annotation>/g, ""), { USE_PROFILES: { mathMl: true }, ADD_TAGS: ["semantics"] });
  } catch {
    return `<code>${text.replace(/[&<>]/g, (sign) => `&#${sign.charCodeAt(0)};`)}</code>`;
  }
}
