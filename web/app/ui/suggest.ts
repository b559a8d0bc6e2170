/** Completion below a plain text field, as a combobox: arrows choose, Tab or Enter takes what is chosen, Escape closes. */

import type { Attachment } from "svelte/attachments";
import type { CompletionItem } from "../../protocol";
import { FIELD, type Assist } from "../state/assist";

const WAIT = 120; // ms without a key until it is asked
const SHOWN = 12;

let last = 0;

export function suggest(assist: () => Assist): Attachment<HTMLInputElement> {
  return (field) => {
    const id = `suggest-${++last}`;
    const list = document.createElement("ul");
    list.id = id;
    list.className = "suggest";
    list.setAttribute("role", "listbox");
    list.setAttribute("aria-label", "Completions");
    list.dataset["testid"] = "suggestions";
    list.hidden = true;
    (field.closest("label") ?? field).after(list); // in a label it would be part of its text
    set(field, { role: "combobox", "aria-autocomplete": "list", "aria-controls": id, "aria-expanded": "false" });
    let items: CompletionItem[] = [];
    let typed = "";
    let chosen = -1;
    let asked = 0;
    let timer: ReturnType<typeof setTimeout> | undefined;

    function close(): void {
      asked += 1;
      clearTimeout(timer);
      list.hidden = true;
      chosen = -1;
      set(field, { "aria-expanded": "false", "aria-activedescendant": "" });
    }

    async function ask(): Promise<void> {
      const at = field.selectionStart ?? field.value.length;
      const number = ++asked;
      const found = await assist()("complete", field.value.slice(0, at), field.value.slice(at));
      if (number !== asked || document.activeElement !== field) return; // late
      items = found?.items.slice(0, SHOWN) ?? [];
      typed = found?.typed ?? "";
      if (items.length === 0 || (items.length === 1 && items[0]?.text === typed)) return close();
      list.replaceChildren(...items.map((item, index) => option(item, `${id}-${index}`, () => take(index))));
      const { left, bottom, width } = field.getBoundingClientRect();
      Object.assign(list.style, { left: `${left}px`, top: `${bottom + 4}px`, maxWidth: `${width}px` });
      list.hidden = false;
      chosen = -1;
      set(field, { "aria-expanded": "true", "aria-activedescendant": "" });
    }

    function choose(index: number): void {
      chosen = (index + items.length) % items.length;
      [...list.children].forEach((child, at) => child.setAttribute("aria-selected", String(at === chosen)));
      list.children[chosen]?.scrollIntoView({ block: "nearest" });
      set(field, { "aria-activedescendant": `${id}-${chosen}` });
    }

    function take(index: number): void {
      const text = items[index]?.text ?? "";
      const at = field.selectionStart ?? field.value.length;
      field.setRangeText(text, at - typed.length, at, "end");
      close();
      field.dispatchEvent(new InputEvent("input", { bubbles: true, inputType: "insertReplacementText" }));
    }

    function oninput(event: Event): void {
      clearTimeout(timer);
      const before = field.value.slice(0, field.selectionStart ?? field.value.length);
      if ((event as InputEvent).inputType === "insertReplacementText" || !FIELD.test(before)) return close();
      timer = setTimeout(() => void ask(), WAIT);
    }

    function onkeydown(event: KeyboardEvent): void {
      if (event.ctrlKey && event.key === " ") {
        event.preventDefault();
        void ask();
      } else if (list.hidden) return;
      else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        event.preventDefault();
        choose(event.key === "ArrowDown" ? chosen + 1 : chosen < 0 ? -1 : chosen - 1);
      } else if (event.key === "Escape") {
        event.stopPropagation();
        close();
      } else if (event.key === "Tab" && !event.shiftKey) {
        event.preventDefault();
        take(Math.max(chosen, 0));
      } else if (event.key === "Enter") {
        if (chosen < 0) return close();
        event.preventDefault();
        event.stopPropagation();
        take(chosen);
      }
    }

    field.addEventListener("input", oninput);
    field.addEventListener("keydown", onkeydown);
    field.addEventListener("blur", close);
    return () => {
      close();
      field.removeEventListener("input", oninput);
      field.removeEventListener("keydown", onkeydown);
      field.removeEventListener("blur", close);
      list.remove();
    };
  };
}

function option({ text, detail }: CompletionItem, id: string, take: () => void): HTMLElement {
  const made = document.createElement("li");
  made.id = id;
  made.setAttribute("role", "option");
  made.setAttribute("aria-selected", "false");
  made.append(text);
  if (detail) {
    const note = document.createElement("span");
    note.textContent = detail;
    made.append(note);
  }
  made.addEventListener("pointerdown", (event) => {
    event.preventDefault(); // the field keeps the keyboard
    take();
  });
  return made;
}

function set(element: HTMLElement, attributes: Record<string, string>): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === "") element.removeAttribute(name);
    else element.setAttribute(name, value);
  }
}
