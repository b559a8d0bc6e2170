/** Python text cut into coloured pieces, with the parser that the editor uses. Imported late, as the editor is. */

import { pythonLanguage } from "@codemirror/lang-python";
import { classHighlighter, highlightCode } from "@lezer/highlight";

export interface Piece {
  text: string;
  style: string;
}

export function colourPython(code: string): Piece[] {
  const pieces: Piece[] = [];
  const tree = pythonLanguage.parser.parse(code);
  highlightCode(code, tree, classHighlighter, (text, style) => pieces.push({ text, style }), () => pieces.push({ text: "\n", style: "" }));
  return pieces;
}
