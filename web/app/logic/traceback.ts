/** Python tracebacks in parts, so that the reader's own lines stand out. */

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
  /** How it came after the one before: "During handling of the above exception, …"; "" for the first. */
  lead: string;
  frames: Frame[];
  /** The last lines: `ValueError: no such thing`. */
  message: string;
}

const HEAD = "Traceback (most recent call last)";
const FRAME = /^ {2}File "(.+?)", line (\d+)(?:, in (.+))?$/;
const LEADS = /^(During handling of the above exception|The above exception was the direct cause)/;

/** The tracebacks of a text, one after the other as they are chained; none when the text is something else (then show it
 *  as it is), as that of a group of exceptions is. */
export function parseTracebacks(text: string): Traceback[] {
  const lines = text.replace(/\s+$/, "").split("\n");
  const found: Traceback[] = [];
  let lead = "";
  for (let at = 0; at < lines.length; ) {
    const line = lines[at] as string;
    if (line.startsWith(HEAD)) {
      const [made, next] = parseOne(lines, at + 1, lead);
      if (made === null) return [];
      found.push(made);
      lead = "";
      at = next;
    } else if (LEADS.test(line)) {
      lead = line;
      at += 1;
    } else if (line.trim() === "") at += 1;
    else return found.length === 0 && at === 0 ? parseHeadless(lines) : [];
  }
  return found;
}

/** A syntax error that was found before anything ran has frames without a head. */
function parseHeadless(lines: string[]): Traceback[] {
  const [made, next] = parseOne(lines, 0, "");
  return made !== null && next >= lines.length ? [made] : [];
}

function parseOne(lines: string[], begin: number, lead: string): [Traceback | null, number] {
  const frames: Frame[] = [];
  let at = begin;
  for (; at < lines.length; at += 1) {
    const line = lines[at] as string;
    const match = FRAME.exec(line);
    if (match !== null) frames.push(makeFrame(match));
    else if (!line.startsWith("    ") && !line.startsWith("  [")) break;
    else addLine(frames, line);
  }
  if (frames.length === 0) return [null, at];
  const first = at;
  while (at < lines.length && !LEADS.test(lines[at] as string) && !(lines[at] as string).startsWith(HEAD)) at += 1;
  return [{ lead, frames, message: lines.slice(first, at).join("\n").replace(/\s+$/, "") }, at];
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
