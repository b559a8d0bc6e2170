/** Failures and news that belong to no field, cell or pane; they stay until dismissed. */

import type { Failure } from "../../protocol";
import { toFailure } from "../logic/failure";

export interface Notice {
  id: number;
  title: string;
  failure: Failure;
}

export class Notices {
  list = $state.raw<Notice[]>([]);
  #next = 1;

  report(title: string, thrown: unknown): void {
    const failure = toFailure(thrown);
    const same = (notice: Notice): boolean => notice.title === title && notice.failure.message === failure.message;
    this.list = [...this.list.filter((notice) => !same(notice)).slice(-3), { id: this.#next++, title, failure }];
  }

  dismiss(id: number): void {
    this.list = this.list.filter((notice) => notice.id !== id);
  }
}
