/** What was dropped on the page: files, and those in folders with their paths below what was dropped. */

import { childPath } from "./path";

export interface Dropped {
  file: File;
  /** Where it belongs below the directory it was dropped on: `a.txt`, `photos/b.jpg`. */
  path: string;
}

export function hasFiles(event: DragEvent): boolean {
  return event.dataTransfer?.types.includes("Files") ?? false;
}

export async function readDropped(data: DataTransfer): Promise<Dropped[]> {
  // All must be taken at once: the list is empty after the first wait. A file is taken as such: WebKit finds none by the
  // entry of one that lies on no disk.
  const entries = [...data.items]
    .filter((item) => item.kind === "file")
    .map((item) => {
      const entry = item.webkitGetAsEntry();
      return entry?.isDirectory ? entry : item.getAsFile();
    });
  const found: Dropped[] = [];
  for (const entry of entries) {
    if (entry instanceof File) found.push({ file: entry, path: entry.name });
    else if (entry !== null) await readEntry(entry, entry.name, found);
  }
  return found;
}

export function readChosen(files: FileList): Dropped[] {
  return [...files].map((file) => ({ file, path: file.webkitRelativePath || file.name }));
}

async function readEntry(entry: FileSystemEntry, path: string, found: Dropped[]): Promise<void> {
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
    found.push({ file, path });
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return;
    for (const each of some) await readEntry(each, childPath(path, each.name), found);
  }
}
