/** What is typed into a box and belongs to no object yet: kept in this browser, so that a reload or a crash loses none of it. */

import { recall, remember } from "./memory";

const NAME = "typed";
const MOST = 100;
const LONGEST = 20_000; // characters

/** The text of one box, by a name of its own. What is as it was at first is not kept. */
export class Typed {
  #text = $state("");
  #name: string;
  #first: string;
  #kept: boolean;

  constructor(name: string, first = "", kept = true) {
    this.#name = name;
    this.#first = first;
    this.#kept = kept;
    this.#text = (kept ? read().get(name) : undefined) ?? first;
  }

  get text(): string {
    return this.#text;
  }

  set text(text: string) {
    if (text === this.#text) return;
    this.#text = text;
    if (this.#kept) keep(this.#name, text === this.#first ? null : text);
  }

  /** It has become something: begin anew. */
  clear(): void {
    this.text = this.#first;
  }
}

/** Keep a text; null forgets it. Those that were typed longest ago go first. */
export function keep(name: string, text: string | null): void {
  const all = read();
  all.delete(name);
  if (text !== null && text.length <= LONGEST) all.set(name, text);
  remember(NAME, JSON.stringify([...all].slice(-MOST)));
}

/** All that is kept, those typed last at the end. What is damaged is nothing. */
function read(): Map<string, string> {
  try {
    const found: unknown = JSON.parse(recall(NAME) ?? "[]");
    const pairs = Array.isArray(found) ? found : [];
    return new Map(pairs.filter((pair): pair is [string, string] => Array.isArray(pair) && pair.length === 2 && pair.every((each) => typeof each === "string")));
  } catch {
    return new Map();
  }
}
