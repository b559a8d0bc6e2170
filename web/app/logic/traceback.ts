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
  /** How it came after the one before: "During handling of the above exception, …", or which of a group it is; "" for the
   *  first. */
  lead: string;
  frames: Frame[];
  /** The last lines: `ValueError: no such thing`. */
  message: string;
}

const HEAD = "Traceback (most recent call last)";
const FRAME = /^ {2}File "(.+?)", line (\d+)(?:, in (.+))?$/;
const GROUP = /^ *[|+] Exception Group Traceback \(most recent call last\)/m;
const MEMBER = /^( *)\+(-\+)?-{10,} (\d+|\.\.\.) -{10,}$/;
const END = /^ *\+-{20,}$/;
const LEADS = /^(During handling of the above exception|The above exception was the direct cause)/;

/** The tracebacks of a text, one after the other as they are chained, and those within a group after the group's; none when
 *  the text is something else (then show it as it is). */
export function parseTracebacks(text: string): Traceback[] {
  const lines = text.replace(/\s+$/, "").split("\n");
  const found: Traceback[] = [];
  for (const part of GROUP.test(text) ? splitGroups(lines) : [{ lead: "", lines }]) {
    const parsed = parseChain(part.lines, part.lead);
    if (parsed.length > 0) found.push(...parsed);
    else if (part.lead === "") return [];
    else found.push({ lead: part.lead, frames: [], message: part.lines.join("\n").trim() });
  }
  return found;
}

/** Which message of these was told already by the failure's own words: it need not be shown again. -1: none. */
export function findTold(tracebacks: Traceback[], message: string, remedy: string | null): number {
  const told = [message, ...(remedy ? [`${message} (${remedy})`] : [])].map(squeeze);
  return tracebacks.findLastIndex((each) => {
    const text = squeeze(each.message);
    return told.includes(text) || told.includes(text.replace(/^[\w.]+: /, ""));
  });
}

function squeeze(text: string): string {
  return text.trim().replace(/\s+/g, " ");
}

/** The parts of what Python prints of a group of exceptions, without the lines that it draws: what is told of the group
 *  itself, then each exception within it. */
function splitGroups(lines: string[]): { lead: string; lines: string[] }[] {
  const parts: { lead: string; lines: string[] }[] = [{ lead: "", lines: [] }];
  const numbers: string[] = [];
  for (const line of lines) {
    const mark = MEMBER.exec(line);
    if (mark !== null) {
      const depth = ((mark[1] as string).length + (mark[2] ?? "").length) / 2 - 1; // how far in its line is drawn
      numbers.splice(Math.max(depth - 1, 0), numbers.length, mark[3] as string);
      parts.push({ lead: mark[3] === "..." ? "And more" : `Exception ${numbers.join(".")} in the group`, lines: [] });
    } else if (!END.test(line)) parts.at(-1)?.lines.push(line.replace(/^ *[|+] ?(Exception Group (?=Traceback))?/, ""));
  }
  return parts;
}

function parseChain(lines: string[], first: string): Traceback[] {
  const found: Traceback[] = [];
  let lead = first;
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
    else return found.length === 0 && at === 0 ? parseHeadless(lines, first) : [];
  }
  return found;
}

/** A syntax error that was found before anything ran has frames without a head. */
function parseHeadless(lines: string[], lead: string): Traceback[] {
  const [made, next] = parseOne(lines, 0, lead);
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
