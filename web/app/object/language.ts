/** uPlot makes a format of the browser's language while it loads; WebKitGTK says "C" there where the system has no language. */
try {
  Intl.getCanonicalLocales(navigator.language);
} catch {
  Object.defineProperty(navigator, "language", { value: "en", configurable: true });
}
export {};
