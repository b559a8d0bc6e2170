/** A Python traceback in parts, so that the reader's own lines stand out. */

export interface Frame {
  file: string;
  line: number;
  name: string;
  /** The source lines (and their ^^^^ marks) as printed. */
  text: string;
  /** Typed in a cell or shipped with an object, not part of a library. */
  own: boolean;
}

export interface Traceback {
  /** The text between tracebacks ("During handling of …") and the heads. */
  frames: Frame[];
  /** The last lines: `ValueError: no such thing`. */
  message: string;
}

const FRAME = /^ {2}File "(.+?)", line (\d+)(?:, in (.+))?$/;

/** The parts of a single traceback; null when the text is none, or several chained (then show it as it is). */
export function parseTraceback(text: string): Traceback | null {
  const lines = text.replace(/\s+$/, "").split("\n");
  const heads = lines.filter((line) => line.startsWith("Traceback (most recent call last)"));
  if (heads.length !== 1) return null;
  const frames: Frame[] = [];
  let at = lines.findIndex((line) => line.startsWith("Traceback (")) + 1;
  for (; at < lines.length; at += 1) {
    const line = lines[at] as string;
    const match = FRAME.exec(line);
    if (match !== null) frames.push(makeFrame(match));
    else if (!line.startsWith("    ") && !line.startsWith("  [")) break;
    else addLine(frames, line);
  }
  if (frames.length === 0) return null;
  return { frames, message: lines.slice(at).join("\n") };
}

function makeFrame(match: RegExpExecArray): Frame {
  const file = match[1] as string;
  return { file, line: Number(match[2]), name: match[3] ?? "", text: "", own: isOwn(file) };
}

function addLine(frames: Frame[], line: string): void {
  const frame = frames.at(-1);
  if (frame === undefined) return;
  const text = line.startsWith("    ") ? line.slice(4) : line;
  frame.text += frame.text === "" ? text : `\n${text}`;
}

function isOwn(file: string): boolean {
  return file.startsWith("<") ? !file.startsWith("<frozen") : !/python3|site-packages|pyodide|emerge_wasm/.test(file);
}
