/** The packages that a notebook has used: lines of pip's requirement files, `name==1.0 --hash=sha256:…`. */

export interface Requirement {
  name: string;
  version: string; // "" where the line leaves it open
  sha256: string; // "" where it names no file
}

/** Read a line; null for one that names no package. */
export function readRequirement(line: string): Requirement | null {
  const name = /^\s*([A-Za-z0-9][A-Za-z0-9._-]*)/.exec(line)?.[1];
  if (name === undefined) return null;
  const version = /==\s*([^\s;,]+)/.exec(line)?.[1] ?? "";
  const sha256 = /--hash=sha256:([0-9a-f]{64})/.exec(line)?.[1] ?? "";
  return { name: name.replace(/[-_.]+/g, "-").toLowerCase(), version, sha256 };
}

/** The lines with others, of which the last about a package counts; by name. */
export function mergeRequirements(lines: readonly string[], others: readonly string[]): string[] {
  const merged = new Map<string, string>();
  for (const line of [...lines, ...others]) merged.set(readRequirement(line)?.name ?? line, line);
  return [...merged.entries()].sort(([one], [two]) => (one < two ? -1 : one > two ? 1 : 0)).map(([, line]) => line);
}
