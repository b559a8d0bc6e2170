/** What WebKit rejects a promise with outside of any script, such as a failed fetch, is an Error without a `stack`: by that
 *  Pyodide takes it for no error, and whoever awaits the promise in Python waits for ever. So each Error has one. */

export function completeErrors(): void {
  if (!("stack" in Error.prototype)) Object.defineProperty(Error.prototype, "stack", { value: "", writable: true, configurable: true });
}
