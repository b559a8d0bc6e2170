/** The page's side of the closed-in document (py/emerge_wasm/relay/guest.html): loads it, and gives the line to it. */

const PATIENCE = 10_000; // ms

export class Frame {
  #element: HTMLIFrameElement | null = null;

  /** A line to a new document of no origin, which starts and ends workers. Rejects when it cannot be had. */
  open(url: string): Promise<MessagePort> {
    this.close();
    const element = document.createElement("iframe");
    element.setAttribute("sandbox", "allow-scripts");
    element.hidden = true;
    element.title = "Code of others, closed in";
    element.src = url;
    this.#element = element;
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => settle(() => reject(new Error("the relay gave no closed-in frame"))), PATIENCE);
      const hear = (event: MessageEvent): void => {
        if (event.source !== element.contentWindow || event.data !== "guest") return;
        const { port1, port2 } = new MessageChannel();
        element.contentWindow?.postMessage("line", "*", [port2]); // it has no origin to name
        settle(() => resolve(port1));
      };
      const settle = (end: () => void): void => {
        clearTimeout(late);
        removeEventListener("message", hear);
        end();
      };
      addEventListener("message", hear);
      document.body.append(element);
    });
  }

  /** Ends every worker in it. */
  close(): void {
    this.#element?.remove();
    this.#element = null;
  }
}
