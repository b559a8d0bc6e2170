/** Whether Python can wait for a result (JSPI): known before Python has started, which says the same of itself. */
export const JSPI = "Suspending" in WebAssembly && "promising" in WebAssembly;
