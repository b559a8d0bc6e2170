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

/** Markdown, with formulas between `$` or `$$`, as clean HTML. */
export async function fromMarkdown(text: string): Promise<string> {
  const formulas: string[] = [];
  const parts = text.split(/(```[\s\S]*?(?:```|$)|`[^`\n]*`)/); // code at the odd places
  const held = parts.map((part, at) => (at % 2 === 1 ? part : part.replace(FORMULA, (whole) => `\u27e6${formulas.push(whole) - 1}\u27e7`)));
  const html = cleanHTML(await marked.parse(held.join(""), { gfm: true }));
  if (formulas.length === 0) return html;
  const drawn = await Promise.all(formulas.map(fromLatex));
  return html.replace(/\u27e6(\d+)\u27e7/g, (_, at: string) => drawn[Number(at)] ?? "");
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
