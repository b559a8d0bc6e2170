/** Let the browser save a file, under its name and as mere bytes. */
export function saveAs(file: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

const TABLES = /\.(jsonl?|ndjson|csv|tsv|emerge)$/i;

/** Whether a file may hold objects, by its name. */
export function mayHoldObjects(name: string): boolean {
  return TABLES.test(name);
}
