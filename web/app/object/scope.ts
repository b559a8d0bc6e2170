/** What values of one object are edited with. */

import type { Where } from "../../protocol";
import type { Forms } from "../logic/value";

export interface Scope {
  where: Where;
  forms: Forms;
}
