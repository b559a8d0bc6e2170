/** Rights as people read them: who may read, write and run, of `rwxr-x---`. */

export const WHO = ["owner", "group", "everybody else"] as const;
export const MAY = [
  ["r", "read"],
  ["w", "write"],
  ["x", "run"],
] as const;

/** Whether that one may do that, in the order of the text. */
export function readRights(perms: string): boolean[] {
  return Array.from({ length: 9 }, (_, at) => (perms[at] ?? "-") !== "-");
}

export function writeRights(may: boolean[]): string {
  return may.map((yes, at) => (yes ? (MAY[at % 3]?.[0] ?? "-") : "-")).join("");
}

/** What makes one text of rights of another, as `g+w,o-r`; "" where they are the same. */
export function changeOfRights(before: string, after: string): string {
  const [had, have] = [readRights(before), readRights(after)];
  const parts = ["u", "g", "o"].flatMap((who, row) =>
    (["+", "-"] as const).map((sign) => {
      const letters = MAY.filter((_, column) => have[row * 3 + column] !== had[row * 3 + column] && have[row * 3 + column] === (sign === "+"));
      return letters.length > 0 ? who + sign + letters.map(([letter]) => letter).join("") : "";
    }),
  );
  return parts.filter((part) => part !== "").join(",");
}

/** In a sentence: "The owner may read and write; the group may read; everybody else may do nothing." */
export function sayRights(perms: string, directory: boolean): string {
  const may = readRights(perms);
  const words = MAY.map(([letter, word]) => (letter !== "x" ? word : directory ? "pass through" : word));
  const parts = WHO.map((who, row) => {
    const some = words.filter((_, column) => may[row * 3 + column]);
    const list = some.length > 1 ? `${some.slice(0, -1).join(", ")} and ${some.at(-1)}` : (some[0] ?? "do nothing");
    return `${row < 2 ? "the " : ""}${who} may ${list}`;
  });
  const text = `${parts.join("; ")}.`;
  return text.charAt(0).toUpperCase() + text.slice(1);
}
