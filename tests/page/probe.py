"""Classes of somebody else: what must not run unasked, and what must not get out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from emerge_wasm import EmergeFile


@dataclass
class Probe(EmergeFile):
    """Tries to get out of where it runs, in Python and in a worker of its own."""

    count: int = 0

    async def probe(self, url: str, nested: bool = True) -> dict[str, Any]:
        import js  # type: ignore[import-not-found]

        found = await self._worker(url) if nested else {}
        for name in ("fetch", "indexedDB.open", "caches.keys", "navigator.storage.getDirectory"):
            found[f"python {name}"] = await self._attempt(js, name, url + "/session")
        found["python origin"] = js.self.origin
        self.count += 1
        print("said from inside")  # noqa: T201  # that it is heard is tested
        return found

    async def _worker(self, url: str) -> dict[str, Any]:
        import asyncio

        import js  # type: ignore[import-not-found]
        from pyodide.ffi import create_proxy  # type: ignore[import-not-found]

        script = """
            const said = {};
            const attempt = async (name, work) => {
              try { said[name] = `GOT ${await work()}`; } catch (error) { said[name] = `no: ${error}`; }
            };
            const opened = (what) => new Promise((yes, no) => {
              what.onopen = yes;
              what.onerror = () => no("refused");
            });
            await attempt("fetch", async () => (await fetch(URL_ + "/session")).status);
            await attempt("blind fetch", async () => (await fetch(URL_ + "/session", { mode: "no-cors" })).type);
            await attempt("socket", () => opened(new WebSocket(URL_.replace("http", "ws") + "/ws", "emerge.1")));
            await attempt("events", () => opened(new EventSource(URL_ + "/healthz")));
            await attempt("xhr", () => {
              const x = new XMLHttpRequest();
              x.open("GET", URL_ + "/healthz", false);
              x.send();
              return x.status;
            });
            await attempt("import", () => import(URL_ + "/sw.js"));
            await attempt("indexedDB", () => new Promise((yes, no) => {
              const asked = indexedDB.open("emerge"); asked.onsuccess = yes; asked.onerror = () => no(asked.error); }));
            await attempt("caches", () => caches.keys());
            await attempt("files", () => navigator.storage.getDirectory());
            await attempt("cookies", () => document.cookie);
            await attempt("cookie store", () => cookieStore.getAll());
            await attempt("eval", () => eval("1"));
            said.heard = await new Promise((yes) => {
              const channel = new BroadcastChannel("emerge-local");
              channel.onmessage = ({ data }) => yes(`GOT ${data}`);
              setTimeout(() => yes("nothing"), 300);
            });
            said.origin = self.origin;
            postMessage(said);
        """.replace("URL_", repr(url))
        said = asyncio.get_running_loop().create_future()
        worker = js.Worker.new("data:text/javascript," + js.encodeURIComponent(script), type="module")
        worker.onmessage = create_proxy(lambda event: said.set_result(event.data.to_py()))
        worker.onerror = create_proxy(lambda event: said.set_exception(RuntimeError(f"no worker: {event.message}")))
        return dict(await said)

    async def _attempt(self, js: Any, name: str, argument: str) -> str:
        target = js
        try:
            for part in name.split("."):
                target = getattr(target, part)
            answer = target(argument)
            return f"GOT {await answer if hasattr(answer, 'then') else answer}"
        except Exception as error:
            return f"no: {error}"

    def spin(self) -> None:
        while True:
            self.count += 1

    async def neighbours(self, fs: Any) -> list[str]:
        return sorted(pointer.name for pointer in fs.list("/shared"))

    async def around(self, afs: Any) -> list[str]:
        return sorted(pointer.name for pointer in await afs.list("/shared"))


@dataclass
class Loud(EmergeFile):
    """Whatever of it runs, it is heard: it counts up in a list that the class shares."""

    heard: list[str] = field(default_factory=list)
    price: float = 1.0

    def __post_init__(self) -> None:
        _shout("__post_init__")

    def __repr__(self) -> str:
        _shout("__repr__")
        return "Loud"

    @property
    def loudness(self) -> float:
        _shout("property")
        return 11.0

    def speak(self) -> str:
        _shout("speak")
        return "spoken"


def _shout(what: str) -> None:
    raise RuntimeError(f"{what} ran")
