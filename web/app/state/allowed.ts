/** The keys of code that the user has let run in this browser, or has written here. */

import { addKeys, readKeys } from "../logic/consent";
import { recall, remember } from "./memory";

const NAME = "allowed";

export function allowed(): string[] {
  return readKeys(recall(NAME));
}

export function allow(keys: string[]): void {
  remember(NAME, JSON.stringify(addKeys(allowed(), keys)));
}
