"""WebKitGTK for Playwright: `python -m tests.page.webkit` starts it, and stands between the two.

Playwright drives a browser by WebDriver BiDi. Of that WebKitGTK has too little, but its driver has the older WebDriver:
so this answers the one by the other, with `webkit.js` in the page, which keeps what Playwright has handles of. Each
context is a browser. It tells of no workers, of requests only what the page itself knows, and of a download when it is
over.
"""

from __future__ import annotations

import asyncio
import base64
import http.client
import itertools
import json
import mimetypes
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from .bidi import announced

NEEDED = ("WebKitWebDriver", "Xvfb", "dbus-run-session", "setpriv", "dpkg")
"""The programs that it takes."""
PAGE = Path(__file__).with_suffix(".js").read_text()
PATIENCE = 120.0  # seconds for one command: a busy machine compiles Python for long
POLLS = (0.02, 0.25)  # seconds between looks at what a page has to tell, while an answer is awaited, and otherwise
DOWNLOADS = "downloads"
EVALUATE = "(utilityScript, ...args) => utilityScript.evaluate(...args)"
"""By this Playwright has a text evaluated, which our page forbids: here the text comes as a function."""
UTILITY = " utility"
"""Follows the name of a document's realm, for the one that Playwright has for itself: here both are one."""
EVALUATED = {
    "expression": "%s",
    "callbackText": "%s",
    "functionText": "(%s)",
    "source": "\n    (() => {\n      const module = {};\n      %s\n      return module.exports.default();\n    })()",
}
"""What else it has evaluated: arguments by their names, and what it makes of each."""
Json = dict[str, Any]

_numbers = itertools.count(1)


class Failed(Exception):
    """A command that the driver refused: the error's name, and what it says."""


class Driver:
    """A WebKitWebDriver with one browser, which takes one command at a time."""

    def __init__(self, folder: Path, display: str) -> None:
        (folder / "gtk-3.0").mkdir()
        (folder / "gtk-3.0" / "settings.ini").write_text("[Settings]\ngtk-enable-animations=0\n")
        (folder / "user-dirs.dirs").write_text(f'XDG_DOWNLOAD_DIR="$HOME/{DOWNLOADS}"\n')
        (folder / DOWNLOADS).mkdir()
        place = {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache")}
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        command = ["dbus-run-session", "--", "setpriv", "--pdeathsig", "TERM", "WebKitWebDriver", f"--port={port}"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._process = subprocess.Popen(command, env={**os.environ, **place, "DISPLAY": display}, **quiet)  # type: ignore[call-overload]
        self._line = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        self._session = ""
        self.lock = asyncio.Lock()
        """Held over commands that belong together."""
        self.place: Frame | None = None
        """Where it is."""

    async def start(self) -> None:
        wanted = {"webkitgtk:browserOptions": {"binary": _mini_browser(), "args": ["--automation"]}}
        for _ in range(400):  # until it listens
            with suppress(ConnectionError):
                made = await self.say("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
                break
            await asyncio.sleep(0.05)
        self._session = f"/session/{made['sessionId']}"
        patience = int(PATIENCE * 1000)
        await self.say("POST", "/timeouts", {"script": patience, "pageLoad": patience, "implicit": 0})

    async def say(self, method: str, path: str, body: Json | None = None) -> Any:
        return await asyncio.to_thread(self._say, method, self._session + path, body)

    def _say(self, method: str, path: str, body: Json | None) -> Any:
        try:
            self._line.request(method, path, None if body is None else json.dumps(body))
            answer = self._line.getresponse()
            value = json.loads(answer.read())["value"]
        except (OSError, http.client.HTTPException):
            self._line.close()
            raise
        if answer.status != 200:
            raise Failed(value["error"], value["message"])
        return value

    async def stop(self) -> None:
        async with self.lock:
            with suppress(Failed, OSError, http.client.HTTPException):
                await self.say("DELETE", "")
        self._line.close()
        self._process.terminate()
        await asyncio.to_thread(self._process.wait)


class Frame:
    """A tab, or a frame in one: its document is driven, and Playwright is told of what happens there."""

    def __init__(self, profile: Profile, window: str, parent: Frame | None = None, number: str = "") -> None:
        self.id = f"context-{next(_numbers)}"
        self.profile = profile
        self.window = window
        self.parent = parent
        self.number = number
        """What the page around it calls its window."""
        self.document = ""
        self.url = "about:blank"
        self.frames: dict[str, Frame] = {}
        self.waiting: dict[int, asyncio.Future[Json]] = {}
        self.disowned: list[str] = []

    @property
    def realm(self) -> str:
        return f"realm-{self.document}"

    async def enter(self) -> None:
        """Lead the driver here. Whoever calls this, or what calls it, holds the lock."""
        driver = self.profile.driver
        if driver.place is self:
            return
        if self.parent is None:
            await driver.say("POST", "/window", {"handle": self.window})
            await driver.say("POST", "/frame", {"id": None})
        else:
            await self.parent.enter()
            script = f"return globalThis.__driven?.frame({self.number!r})"
            found = await driver.say("POST", "/execute/sync", {"script": script, "args": []})
            if found is None:
                raise Failed("no such frame", "it is gone")
            driver.place = None
            await driver.say("POST", "/frame", {"id": found})
        driver.place = self

    async def run(self, script: str) -> Any:
        await self.enter()
        return await self.profile.driver.say("POST", "/execute/sync", {"script": script, "args": []})

    async def ask(self, expression: str) -> Json | None:
        """What the page tells in answer to an expression; None, where there is another document now."""
        there = f"globalThis.__driven?.name === {self.document!r}"
        text = await self.run(f"return {there} ? {expression} : null")
        if text is None:
            return None
        told: Json = json.loads(text)
        self.hear(told)
        return told

    async def look(self, navigation: str = "") -> bool:
        """Come to know the document that is there, and tell of it; whether it is a new one."""
        text = await self.run(f"return ({PAGE.strip()})({f'document-{next(_numbers)}'!r})")
        told = json.loads(text)
        fresh: bool = told["name"] != self.document
        if fresh:
            self.leave()
            self.document, self.url = told["name"], told.pop("url")
            params = {"context": self.id, "navigation": navigation or f"navigation-{next(_numbers)}", "url": self.url}
            for kind in ("navigationStarted", "navigationCommitted"):
                self.emit(f"browsingContext.{kind}", params)
            for source in self.profile.preloads.values():
                await self.run(f"({source})()")
            self.emit("script.realmCreated", {"realm": self.realm, "type": "window", "context": self.id})
            for kind in ("domContentLoaded", "load"):
                self.emit(f"browsingContext.{kind}", params)
        self.hear(told)
        return fresh

    def leave(self) -> None:
        """The document is gone, with all that was in it."""
        for frame in self.frames.values():
            frame.end()
        self.frames.clear()
        for waiting in self.waiting.values():
            waiting.set_result({"type": "exception", "exceptionDetails": {"text": "Error: the document is gone"}})
        self.waiting.clear()
        if self.document:
            for realm in (self.realm, self.realm + UTILITY):
                self.emit("script.realmDestroyed", {"realm": realm})
        self.document = ""

    def end(self) -> None:
        self.leave()
        self.emit("browsingContext.contextDestroyed", self.info())
        if self.profile.driver.place is self:
            self.profile.driver.place = None

    def info(self) -> Json:
        parent = {} if self.parent is None else {"parent": self.parent.id}
        return {"context": self.id, "url": self.url, "userContext": self.profile.id, "children": [], **parent}

    def emit(self, method: str, params: Json) -> None:
        self.profile.bridge.tell({"type": "event", "method": method, "params": {"timestamp": 0, **params}})

    def hear(self, told: Json) -> None:
        """Pass on what has happened in the page."""
        for number, answer in told["settled"]:
            if waiting := self.waiting.pop(number, None):
                waiting.set_result(answer)
        for text in told["errors"]:
            source = {"context": self.id, "realm": self.realm}
            self.emit("log.entryAdded", {"type": "javascript", "level": "error", "text": text, "source": source})
        for url in told["requests"]:
            request = {"request": f"request-{next(_numbers)}", "url": url, "method": "GET", "headers": []}
            self.emit("network.beforeRequestSent", {"context": self.id, "request": request, "redirectCount": 0})
        if "url" in told:
            self.url = told["url"]
            self.emit("browsingContext.fragmentNavigated", {"context": self.id, "navigation": None, "url": self.url})

    async def call(
        self, work: str, *, owned: bool = False, depth: int = 0, awaited: bool = True, known: str = ""
    ) -> Json:
        """The result of a function that is called in the page, as BiDi says it."""
        switches = f"{json.dumps(owned)}, {depth}, {json.dumps(awaited)}"
        known += f"T.forget({json.dumps(self.disowned)});" if self.disowned else ""
        self.disowned = []
        script = f"(() => {{ const T = globalThis.__driven; {known} return T.run({work}, {switches}); }})()"
        lock = self.profile.driver.lock
        async with lock:
            told = await self.ask(script)
            if told is None:
                await self.look()
                raise Failed("no such handle", "there is a new document")
            said: Json = told["said"]
            if "waits" in said:
                waiting = self.waiting[said["waits"]] = asyncio.get_running_loop().create_future()
        while "waits" in said:
            with suppress(asyncio.TimeoutError):
                said = await asyncio.wait_for(asyncio.shield(waiting), POLLS[0])
            async with lock:
                if not waiting.done():
                    await self.watch()
        result = said.get("result", {})
        if result.get("type") == "window":
            result["value"] = {"context": (await self._frame(result["value"]["context"])).id}
        return {**said, "realm": self.realm}

    async def watch(self) -> None:
        """Hear what the page has to tell. The lock is held."""
        if await self.ask("globalThis.__driven.tell()") is None:
            await self.look()

    async def _frame(self, number: str) -> Frame:
        """The frame whose window the page calls so; this one, if there is no number."""
        if not number:
            return self
        async with self.profile.driver.lock:
            frame = self.frames.get(number)
            if frame is None:
                frame = self.frames[number] = Frame(self.profile, self.window, self, number)
                self.emit("browsingContext.contextCreated", frame.info())
            await frame.look()
        return frame


class Profile:
    """A context of Playwright's: a browser, and its tabs."""

    def __init__(self, bridge: Bridge, folder: Path, display: str) -> None:
        self.id = f"profile-{next(_numbers)}"
        self.bridge = bridge
        self.driver = Driver(folder, display)
        self.downloads = folder / DOWNLOADS
        self.taken = folder
        """Where Playwright looks for what was downloaded."""
        self.preloads: dict[str, str] = {}
        self.viewport: Json | None = None
        self.tabs: dict[str, Frame] = {}
        self._blank = ""
        self._given: dict[tuple[str, str, str], Json] = {}
        """Cookies that were set from outside."""

    async def start(self) -> None:
        await self.driver.start()
        self._blank = await self.driver.say("GET", "/window")

    async def open(self) -> Frame:
        async with self.driver.lock:
            window, self._blank = self._blank, ""
            if not window:
                window = await self._new_window()
            tab = Frame(self, window)
            self.tabs[tab.id] = tab
            tab.emit("browsingContext.contextCreated", tab.info())
            await tab.look()
            if self.viewport:
                await self.resize(tab, self.viewport)
        return tab

    async def _new_window(self) -> str:
        if self.driver.place is None and self.tabs:  # where it was may be closed, from where none can be opened
            await next(iter(self.tabs.values())).enter()
        handle: str = (await self.driver.say("POST", "/window/new", {"type": "window"}))["handle"]
        return handle

    async def cookies(self) -> list[Json]:
        """Those that the tabs would send, and what was set before there was a tab."""
        found = {}
        async with self.driver.lock:
            for tab in self.tabs.values():
                await tab.enter()
                with suppress(Failed):
                    found.update({_key(each): each for each in await self.driver.say("GET", "/cookie")})
        return [*found.values()] if self.tabs else [*self._given.values()]

    async def give_cookie(self, cookie: Json) -> None:
        async with self.driver.lock:
            await self.driver.say("POST", "/cookie", {"cookie": cookie})
            self._given[_key(cookie)] = cookie

    async def forget_cookies(self) -> None:
        self._given.clear()
        async with self.driver.lock:
            for tab in self.tabs.values():
                await tab.enter()
                await self.driver.say("DELETE", "/cookie")

    async def close(self, tab: Frame) -> None:
        """Close a tab, but not the browser with the last one. The lock is held."""
        await tab.enter()
        if len(self.tabs) == 1:
            self._blank = await self._new_window()
        await self.driver.say("DELETE", "/window")
        del self.tabs[tab.id]
        tab.end()

    def hand_over(self) -> None:
        """Tell of the downloads that are over, as of the newest tab's: of none is it known whose it is."""
        for file in self.downloads.iterdir():
            if self.tabs and not _is_open(file):
                tab, number = [*self.tabs.values()][-1], f"download-{next(_numbers)}"
                shutil.move(file, self.taken / file.name)
                params = {"context": tab.id, "navigation": None, "download": number, "url": file.name}
                tab.emit("browsingContext.downloadWillBegin", {**params, "suggestedFilename": file.name})
                tab.emit("browsingContext.downloadEnd", {**params, "status": "complete"})

    async def resize(self, tab: Frame, size: Json) -> None:
        """Give the page in the tab that size. The lock is held."""
        width, height = size["width"], size["height"]
        for _ in range(20):
            inner = await tab.run("return [innerWidth, innerHeight]")
            if inner == [size["width"], size["height"]]:
                return
            width, height = width + size["width"] - inner[0], height + size["height"] - inner[1]
            await self.driver.say("POST", "/window/rect", {"x": 0, "y": 0, "width": width, "height": height})
            await asyncio.sleep(0.05)

    async def stop(self) -> None:
        for tab in self.tabs.values():
            tab.end()
        await self.driver.stop()


class Bridge:
    """Answers Playwright's commands."""

    def __init__(self, socket: ServerConnection, folder: Path, display: str) -> None:
        self._socket = socket
        self._folder = folder
        self._display = display
        self._profiles: dict[str, Profile] = {}
        self._out: asyncio.Queue[Json] = asyncio.Queue()

    def tell(self, message: Json) -> None:
        self._out.put_nowait(message)

    async def serve(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                begun = [tasks.create_task(self._send()), tasks.create_task(self._watch())]
                with suppress(ConnectionClosed):
                    async for text in self._socket:
                        command = json.loads(text)
                        if command["method"] == "browser.close":
                            break
                        begun = [task for task in begun if not task.done()]
                        begun.append(tasks.create_task(self._answer(command)))
                for task in begun:
                    task.cancel()
        finally:
            for profile in self._profiles.values():
                await profile.stop()

    async def _send(self) -> None:
        while True:
            await self._socket.send(json.dumps(await self._out.get()))

    async def _watch(self) -> None:
        """Hear of what happens in the tabs while nobody asks."""
        while True:
            await asyncio.sleep(POLLS[1])
            for profile in [*self._profiles.values()]:
                profile.hand_over()
                for tab in [*profile.tabs.values()]:
                    if not profile.driver.lock.locked():
                        async with profile.driver.lock:
                            with suppress(Failed):
                                await tab.watch()

    async def _answer(self, command: Json) -> None:
        try:
            handler = HANDLERS.get(command["method"])  # others have no meaning here, such as a profile's permissions
            result = None if handler is None else await handler(self, command["params"])
            self.tell({"type": "success", "id": command["id"], "result": result or {}})
        except (Failed, OSError, http.client.HTTPException) as error:
            name, text = error.args if isinstance(error, Failed) else ("unknown error", repr(error))
            self.tell({"type": "error", "id": command["id"], "error": name, "message": text})

    def _find(self, params: Json) -> Frame:
        """The frame of a context, or that of a realm."""
        wanted = params.get("context") or params["realm"].removesuffix(UTILITY)
        for profile in self._profiles.values():
            for tab in profile.tabs.values():
                for frame in (tab, *tab.frames.values()):
                    if wanted in (frame.id, frame.realm):
                        return frame
        raise Failed("no such frame", f"there is no {wanted}")

    async def _begin(self, params: Json) -> Json:
        return {"sessionId": "one", "capabilities": {"browserVersion": "WebKitGTK", "userAgent": ""}}

    async def _make_profile(self, params: Json) -> Json:
        profile = Profile(self, Path(tempfile.mkdtemp(dir=self._folder)), self._display)
        await profile.start()
        self._profiles[profile.id] = profile
        return {"userContext": profile.id}

    async def _end_profile(self, params: Json) -> None:
        await self._profiles.pop(params["userContext"]).stop()

    async def _take_downloads(self, params: Json) -> None:
        for id in params["userContexts"]:
            self._profiles[id].taken = Path(params["downloadBehavior"]["destinationFolder"])

    async def _cookies(self, params: Json) -> Json:
        found = await self._profiles[params["partition"]["userContext"]].cookies()
        same = [{**each, "sameSite": each.get("sameSite", "None").lower()} for each in found]
        return {"cookies": [{**each, "value": {"type": "string", "value": each["value"]}} for each in same]}

    async def _give_cookie(self, params: Json) -> None:
        given = {key: value for key, value in params["cookie"].items() if value is not None}
        given |= {"value": given["value"]["value"], "sameSite": given.get("sameSite", "none").capitalize()}
        await self._profiles[params["partition"]["userContext"]].give_cookie(given)

    async def _forget_cookies(self, params: Json) -> None:
        await self._profiles[params["partition"]["userContext"]].forget_cookies()

    async def _open(self, params: Json) -> Json:
        return {"context": (await self._profiles[params["userContext"]].open()).id}

    async def _close(self, params: Json) -> None:
        tab = self._find(params)
        async with tab.profile.driver.lock:
            await tab.profile.close(tab)

    async def _show(self, params: Json) -> None:
        tab = self._find(params)
        async with tab.profile.driver.lock:
            tab.profile.driver.place = None
            await tab.enter()

    async def _resize(self, params: Json) -> None:
        for id in params.get("userContexts", ()):
            self._profiles[id].viewport = params["viewport"]
        if "context" in params:
            tab = self._find(params)
            async with tab.profile.driver.lock:
                await tab.profile.resize(tab, params["viewport"])

    async def _navigate(self, params: Json) -> Json:
        return await self._go(params, "/url", {"url": params["url"]})

    async def _reload(self, params: Json) -> Json:
        return await self._go(params, "/refresh", {})

    async def _traverse(self, params: Json) -> Json:
        return await self._go(params, "/back" if params["delta"] < 0 else "/forward", {})

    async def _go(self, params: Json, path: str, body: Json) -> Json:
        tab, navigation = self._find(params), f"navigation-{next(_numbers)}"
        async with tab.profile.driver.lock:
            await tab.enter()
            await tab.profile.driver.say("POST", path, body)
            fresh = await tab.look(navigation)
        return {"navigation": navigation if fresh else None, "url": tab.url}

    async def _picture(self, params: Json) -> Json:
        tab = self._find(params)
        async with tab.profile.driver.lock:
            await tab.enter()
            return {"data": await tab.profile.driver.say("GET", "/screenshot")}

    async def _act(self, params: Json) -> None:
        for source in params["actions"]:
            for action in source["actions"]:
                action.update({key: round(action[key]) for key in ("x", "y") if key in action})
        tab = self._find(params)
        async with tab.profile.driver.lock:
            await tab.enter()
            await tab.profile.driver.say("POST", "/actions", {"actions": params["actions"]})

    async def _choose_files(self, params: Json) -> None:
        chosen = [_file(Path(each)) for each in params["files"]]
        element = json.dumps(params["element"]["sharedId"])
        await self._find(params).call(f"() => T.files(T.get({element}), {json.dumps(chosen)})")

    async def _locate(self, params: Json) -> Json:
        """The element of a frame: Playwright looks for no other."""
        frame = self._find(params["locator"]["value"])
        said = await self._find(params).call(f"() => T.frame({frame.number!r})")
        return {"nodes": [said["result"]] if "sharedId" in said.get("result", {}) else []}

    async def _preload(self, params: Json) -> Json:
        """Run at the beginning of each document, as early as the driver allows: when it is loaded."""
        script = f"script-{next(_numbers)}"
        for id in params.get("userContexts", ()):
            self._profiles[id].preloads[script] = params["functionDeclaration"]
        return {"script": script}

    async def _evaluate(self, params: Json) -> Json:
        return await self._script(params, f"() => ({_expression(params['expression'])})")

    async def _call(self, params: Json) -> Json:
        values = [_plain(each) for each in params.get("arguments", ())]
        texts = {*_texts(values)}
        if params["functionDeclaration"] == EVALUATE:
            texts.add(values[3])
        known = "".join(f"T.know({json.dumps(text)}, () => ({_expression(text)}));" for text in texts)
        given = ", ".join(map(_source, values))
        return await self._script(params, f"() => ({params['functionDeclaration']})({given})", known)

    async def _script(self, params: Json, work: str, known: str = "") -> Json:
        target = params["target"]
        options = params.get("serializationOptions", {})
        said = await self._find(target).call(
            work,
            owned=params.get("resultOwnership") == "root",
            depth=0 if options.get("maxObjectDepth") == 0 else 100,
            awaited=params["awaitPromise"],
            known=known,
        )
        return {**said, "realm": said["realm"] + (UTILITY if "sandbox" in target else "")}

    async def _disown(self, params: Json) -> None:
        self._find(params["target"]).disowned += params["handles"]


def _is_open(file: Path) -> bool:
    """Whether a process has it open, or it has the name that it has until it is whole."""
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):
            if os.readlink(link) == str(file):
                return True
    return file.suffix == ".wkdownload"


def _key(cookie: Json) -> tuple[str, str, str]:
    return cookie["name"], cookie.get("domain", ""), cookie.get("path", "/")


def _file(path: Path) -> Json:
    kind = mimetypes.guess_type(path)[0] or ""
    data, modified = base64.b64encode(path.read_bytes()).decode(), int(path.stat().st_mtime * 1000)
    return {"name": path.name, "type": kind, "data": data, "modified": modified}


class Source(str):
    """A piece of JavaScript."""


def _plain(argument: Json) -> Any:
    """An argument of a call as plain data; a handle as the expression that finds its value."""
    if (handle := argument.get("handle") or argument.get("sharedId")) is not None:
        return Source(f"T.get({json.dumps(handle)})")
    kind: str = argument["type"]
    value: Any = argument.get("value")
    if kind == "array":
        return [_plain(each) for each in value]
    if kind == "object":
        return {key if isinstance(key, str) else key["value"]: _plain(each) for key, each in value}
    if kind == "undefined" or (kind == "number" and isinstance(value, str)):
        return Source(value or "undefined")
    return value


def _source(value: Any) -> str:
    """Plain data as JavaScript."""
    if isinstance(value, Source):
        return value
    if isinstance(value, list):
        return f"[{', '.join(map(_source, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{json.dumps(key)}: {_source(each)}' for key, each in value.items())}}}"
    return json.dumps(value)


def _texts(value: Any) -> Iterator[str]:
    """The texts in an argument that Playwright will have evaluated, as it names them."""
    if isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, dict):
        text, form = value.get("v"), EVALUATED.get(str(value.get("k")))
        if (
            isinstance(text, str) and form and ("exports" in text or "exports" not in form)
        ):  # a selector has a source, too
            yield form % text
        for each in value.values():
            yield from _texts(each)


def _expression(text: str) -> str:
    return text.strip().rstrip(";")


HANDLERS: dict[str, Callable[[Bridge, Json], Awaitable[Json | None]]] = {
    "session.new": Bridge._begin,
    "browser.createUserContext": Bridge._make_profile,
    "browser.removeUserContext": Bridge._end_profile,
    "browser.setDownloadBehavior": Bridge._take_downloads,
    "browsingContext.create": Bridge._open,
    "browsingContext.close": Bridge._close,
    "browsingContext.activate": Bridge._show,
    "browsingContext.setViewport": Bridge._resize,
    "browsingContext.navigate": Bridge._navigate,
    "browsingContext.reload": Bridge._reload,
    "browsingContext.traverseHistory": Bridge._traverse,
    "browsingContext.captureScreenshot": Bridge._picture,
    "browsingContext.locateNodes": Bridge._locate,
    "storage.getCookies": Bridge._cookies,
    "storage.setCookie": Bridge._give_cookie,
    "storage.deleteCookies": Bridge._forget_cookies,
    "input.performActions": Bridge._act,
    "input.setFiles": Bridge._choose_files,
    "script.addPreloadScript": Bridge._preload,
    "script.evaluate": Bridge._evaluate,
    "script.callFunction": Bridge._call,
    "script.disown": Bridge._disown,
}


@contextmanager
def _display() -> Iterator[str]:
    """A screen that is not there."""
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1600x1200x24", "-nolisten", "tcp"]
    process = subprocess.Popen(command, pass_fds=[write], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(write)
    try:
        with os.fdopen(read) as said:
            yield f":{said.readline().strip()}"
    finally:
        process.terminate()
        process.wait()


def _mini_browser() -> str:
    files = subprocess.run(["dpkg", "-L", "libwebkit2gtk-4.1-0"], capture_output=True, text=True, check=True).stdout
    return next(line for line in files.splitlines() if line.endswith("/MiniBrowser"))


async def main() -> None:
    over = asyncio.Event()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, _display() as display:

        async def join(playwright: ServerConnection) -> None:
            try:
                await Bridge(playwright, Path(folder), display).serve()
            finally:
                over.set()

        async with announced(join):
            await over.wait()


if __name__ == "__main__":
    asyncio.run(main())
