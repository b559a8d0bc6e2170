/** Which code may run in this browser: the questions that wait for an answer, and the answers that are remembered. */

import type { Question } from "../../protocol";
import type { Port } from "../port";
import { covers } from "../logic/consent";
import { allow, allowed } from "./allowed";

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
    port.on("known", ({ bundles }) => allow(bundles));
    port.on("kernel", ({ state }) => {
      if (state === "loading" || state === "dead") this.questions = [];
    });
  }

  get question(): Question | null {
    return this.questions[0] ?? null;
  }

  answer(question: Question, run: boolean, always: boolean): void {
    this.#drop(question.id);
    if (run && always) allow(question.keys);
    this.#tell(question, run);
  }

  #tell({ id }: Question, run: boolean): void {
    this.#port.call("answer", { question: id, run }).catch(() => undefined); // with the kernel gone nobody waits for it
  }

  #drop(id: number): void {
    this.questions = this.questions.filter((question) => question.id !== id);
  }
}
