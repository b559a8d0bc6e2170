/** Put into Emerge's page ahead of its own scripts: types `1+1` into the prompt as soon as there is one and runs it
 *  (it waits in the queue while Python starts), then notes when its result stands on the page. */
(() => {
  const find = (selector) => document.querySelector(selector);

  function type() {
    find('[data-testid="prompt"]')?.focus();
    return document.activeElement?.dataset.testid === "prompt" && document.execCommand("insertText", false, "1+1");
  }

  function run() {
    const button = find('[data-testid="run-cell"]:not(:disabled)');
    button?.click();
    return Boolean(button);
  }

  function read() {
    const value = find('[data-testid="cell"][data-state="done"] [data-testid="cell-value"]');
    if (value) told({ at: performance.now(), result: value.textContent.trim(), steps: times });
    return Boolean(value);
  }

  let told;
  window.bench = new Promise((resolve) => (told = resolve));
  const steps = [type, run, read];
  const times = [];
  const observer = new MutationObserver(() => {
    while (steps.length > 0 && steps[0]()) {
      times.push(performance.now());
      steps.shift();
    }
    if (steps.length === 0) observer.disconnect();
  });
  observer.observe(document, { subtree: true, childList: true, attributes: true });
})();
