/** A narrow screen shows one pane at a time. */

import { MediaQuery } from "svelte/reactivity";

export const narrow = new MediaQuery("(max-width: 760px)");
