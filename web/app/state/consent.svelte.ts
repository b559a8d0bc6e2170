/** Which code may run in this browser: the questions that wait for an answer, and the answers that are remembered. */

import type { Question } from "../../protocol";
import type { Port } from "../port";
import { addKeys, covers, readKeys } from "../logic/consent";
import { recall, remember } from "./memory";

const NAME = "allowed";

/** The keys of code that the user has let run here, or has written here. */
export function allowed(): string[] {
  return readKeys(recall(NAME));
}

function keep(keys: string[]): void {
  remember(NAME, JSON.stringify(addKeys(allowed(), keys)));
}

export class Consent {
  questions = $state.raw<Question[]>([]);
  #port: Port;

  constructor(port: Port) {
    this.#port = port;
    port.on("question", ({ question }) => {
      if (covers(allowed(), question.keys)) this.#tell(question, true); // allowed in another tab since this one began
      else this.questions = [...this.questions, question];
    });
    port.on("answered", ({ question }) => this.#drop(question));
    port.on("known", ({ bundles }) => keep(bundles));
    port.on("kernel", ({ state }) => {
      if (state === "loading" || state === "dead") this.questions = [];
    });
  }

  get question(): Question | null {
    return this.questions[0] ?? null;
  }

  answer(question: Question, run: boolean, always: boolean): void {
    this.#drop(question.id);
    if (run && always) keep(question.keys);
    this.#tell(question, run);
  }

  #tell({ id }: Question, run: boolean): void {
    this.#port.call("answer", { question: id, run }).catch(() => undefined); // with the kernel gone nobody waits for it
  }

  #drop(id: number): void {
    this.questions = this.questions.filter((question) => question.id !== id);
  }
}
