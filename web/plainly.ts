/** Errors of the browser as plain ones, for Python. */

/** What `work` gives; what it throws, as a plain Error of the same name: Pyodide never settles a promise that rejects
 * with Chromium's QuotaExceededError. Where no room is left, the message says how much was given. */
export async function plainly<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    const { name, message } = error instanceof Error ? error : new Error(String(error));
    const said = name === "QuotaExceededError" ? await room() : message;
    throw Object.assign(new Error(said || name), { name });
  }
}

async function room(): Promise<string> {
  try {
    const { usage = 0, quota = 0 } = await navigator.storage.estimate();
    return `${mebibytes(usage)} of ${mebibytes(quota)} MiB are used`;
  } catch {
    return "";
  }
}

function mebibytes(bytes: number): string {
  const value = bytes / 2 ** 20;
  return value.toFixed(value < 100 ? 1 : 0);
}
