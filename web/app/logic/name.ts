/** Names as they are shown: controls of the direction of text are made visible, for they make a name look like another. */

// marks, embeddings, overrides and isolates
const CONTROLS = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

export function shownName(name: string): string {
  return name.replace(CONTROLS, (control) => `⟨U+${control.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`);
}
