// What stays in a page that is driven by WebDriver: handles of values, answers that are awaited, and what there is to tell.
// It is told to be here once for each document; `webkit.py` says which.
((name) => {
    if (globalThis.__driven) return globalThis.__driven.tell();
    const values = new Map(), shared = new Map(), names = new WeakMap(), settled = new Map(), texts = new Map();
    const errors = [], requests = [];
    let count = 0, url = location.href;
    const keep = (value) => {
        const id = `${name}.${++count}`;
        values.set(id, value);
        return id;
    };
    const share = (value) => {
        if (!names.has(value)) {
            const id = `${name}.${++count}`;
            names.set(value, id);
            shared.set(id, new WeakRef(value));
        }
        return names.get(value);
    };
    const numberOf = (value) =>
        Object.is(value, -0) ? "-0" : Number.isFinite(value) ? value : String(value);
    const isWindow = (value) => {
        try {
            return value.window === value;
        } catch {
            return false;
        }
    };
    const kindOf = (value) => {
        if (typeof value === "function") return "function";
        if (isWindow(value)) return "window";
        if (typeof value.nodeType === "number" && typeof value.nodeName === "string") return "node";
        if (Array.isArray(value)) return "array";
        const kind = Object.prototype.toString.call(value).slice(8, -1).toLowerCase();
        return ["date", "regexp", "map", "set", "error", "promise", "nodelist"].includes(kind) ? kind : "object";
    };
    const describe = (value, owned, depth) => {
        if (value === null) return { type: "null" };
        if (value === undefined) return { type: "undefined" };
        if (typeof value === "number") return { type: "number", value: numberOf(value) };
        if (typeof value === "bigint") return { type: "bigint", value: String(value) };
        if (typeof value === "symbol") return { type: "symbol" };
        if (typeof value !== "object" && typeof value !== "function") return { type: typeof value, value };
        const found = { type: kindOf(value) };
        if (owned) found.handle = keep(value);
        if (found.type === "node")
            Object.assign(found, { sharedId: share(value), value: { nodeType: value.nodeType, localName: value.localName } });
        if (found.type === "window") found.value = { context: value === globalThis ? "" : share(value) };
        if (depth > 0) {
            if (found.type === "array") found.value = value.map((each) => describe(each, false, depth - 1));
            if (found.type === "object")
                found.value = Object.entries(value).map(([key, each]) => [key, describe(each, false, depth - 1)]);
        }
        return found;
    };
    const fault = (error) => ({
        type: "exception",
        exceptionDetails: { text: error instanceof Error ? `${error.name}: ${error.message}` : String(error) },
    });
    const isPromise = (value) => typeof value?.then === "function" && !isWindow(value);
    const driven = {
        name,
        get: (id) => {
            const value = values.get(id) ?? shared.get(id)?.deref();
            if (value === undefined) throw new Error(`there is no handle ${id}`);
            return value;
        },
        forget: (all) => all.forEach((id) => values.delete(id)),
        know: (text, make) => texts.set(text, make),
        frame: (id) => [...document.querySelectorAll("iframe")].find((each) => each.contentWindow === driven.get(id)) ?? null,
        files: (input, all) => {
            const chosen = new DataTransfer();
            for (const { name, type, data, modified } of all)
                chosen.items.add(new File([Uint8Array.from(atob(data), (each) => each.charCodeAt(0))], name, { type, lastModified: modified }));
            input.files = chosen.files;
            for (const kind of ["input", "change"]) input.dispatchEvent(new Event(kind, { bubbles: true, composed: true }));
        },
        // Answer at once, or, when it is to be awaited, with the number by which it is told later.
        run: (work, owned, depth, awaited) => {
            let said;
            try {
                const value = work();
                if (awaited && isPromise(value)) {
                    const number = ++count;
                    value.then(
                        (found) => settled.set(number, { type: "success", result: describe(found, owned, depth) }),
                        (error) => settled.set(number, fault(error)),
                    );
                    said = { waits: number };
                } else said = { type: "success", result: describe(value, owned, depth) };
            } catch (error) {
                said = fault(error);
            }
            return driven.tell(said);
        },
        tell: (said = null) => {
            const told = { said, settled: [...settled], errors: errors.splice(0), requests: requests.splice(0), name };
            settled.clear();
            if (location.href !== url) told.url = url = location.href;
            return JSON.stringify(told);
        },
    };
    const foreign = globalThis.eval;
    globalThis.eval = (text) => (texts.has(text) ? texts.get(text)() : foreign(text));
    // A text that is put into an editor is pasted, as a user does, where the editor takes that; Playwright would put its lines in by itself.
    let insert;
    const paste = (text) => {
        const clipboardData = new DataTransfer();
        clipboardData.setData("text/plain", text);
        const place = document.activeElement;
        return place.isContentEditable && !place.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
    };
    Object.defineProperty(globalThis, "__pw_bidiInsertText", {
        get: () => (text) => (paste(text) ? undefined : insert(text)),
        set: (made) => (insert = made),
    });
    // no exception: a layout that takes another frame
    const notice = /^ResizeObserver loop completed/;
    addEventListener("error", ({ error, message }) => {
        if (!notice.test(message)) errors.push(error instanceof Error ? `${error.name}: ${error.message}` : message);
    });
    addEventListener("unhandledrejection", ({ reason }) => errors.push(String(reason)));
    new PerformanceObserver((list) => requests.push(...list.getEntries().map((each) => each.name))).observe({ type: "resource", buffered: true });
    Object.defineProperty(globalThis, "__driven", { value: driven });
    return JSON.stringify({ ...JSON.parse(driven.tell()), url, fresh: true });
})
