"""Three browsers behind one face: Chromium by Playwright, Firefox ESR by WebDriver BiDi, WebKitGTK by WebDriver."""

from __future__ import annotations

import itertools
import json
import os
import socket
import subprocess
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from playwright.sync_api import Browser, Page
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

PATIENCE = 120  # seconds: a busy machine starts Python slowly, and WebKit compiles it for longer than all others


class Engine(Protocol):
    """A browser with one tab. `evaluate` gives the value of an expression, awaited, as JSON has it."""

    def goto(self, url: str) -> None: ...

    def evaluate(self, expression: str) -> object: ...

    def click(self, selector: str) -> None: ...

    def type(self, text: str) -> None: ...


def wait(engine: Engine, expression: str, wanted: Callable[[object], bool] = bool) -> object:
    """Evaluate an expression until its value is as wanted."""
    end = time.monotonic() + PATIENCE
    while not wanted(value := engine.evaluate(expression)):
        assert time.monotonic() < end, f"{expression} is still {value!r}"
        time.sleep(0.1)
    return value


class _Chromium:
    def __init__(self, page: Page) -> None:
        self._page = page

    def goto(self, url: str) -> None:
        self._page.goto(url)

    def evaluate(self, expression: str) -> object:
        found: object = self._page.evaluate(expression)
        return found

    def click(self, selector: str) -> None:
        self._page.locator(selector).first.click()

    def type(self, text: str) -> None:
        self._page.keyboard.type(text)


@contextmanager
def chromium(folder: Path, browser: Browser) -> Iterator[Engine]:
    with browser.new_context() as context:
        yield _Chromium(context.new_page())


class _Firefox:
    """WebDriver BiDi: commands and their answers over one WebSocket."""

    def __init__(self, line: ClientConnection) -> None:
        self._line = line
        self._numbers = itertools.count(1)
        self.ask("session.new", capabilities={})
        user = self.ask("browser.createUserContext")["userContext"]
        self._context = self.ask("browsingContext.create", type="tab", userContext=user)["context"]

    def ask(self, method: str, **params: object) -> dict[str, object]:
        number = next(self._numbers)
        self._line.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            answer = json.loads(self._line.recv(PATIENCE))
            if answer.get("id") == number:
                assert answer["type"] == "success", answer
                found: dict[str, object] = answer["result"]
                return found

    def goto(self, url: str) -> None:
        self.ask("browsingContext.navigate", context=self._context, url=url, wait="complete")

    def evaluate(self, expression: str) -> object:
        text = f"Promise.resolve({expression}).then(value => JSON.stringify(value ?? null))"
        found = self._run(text)
        assert isinstance(found, dict), found
        return json.loads(str(found["value"]))

    def click(self, selector: str) -> None:
        sought = f"document.querySelector({json.dumps(selector)})"
        found = self._run(f"(e => (e.scrollIntoView({{block: 'nearest'}}), e))({sought})")
        assert isinstance(found, dict), found
        origin = {"type": "element", "element": {"sharedId": found["sharedId"]}}
        moves = [
            {"type": "pointerMove", "x": 0, "y": 0, "origin": origin},
            *({"type": kind, "button": 0} for kind in ("pointerDown", "pointerUp")),
        ]
        self._perform({"type": "pointer", "id": "mouse", "actions": moves})

    def type(self, text: str) -> None:
        keys = [{"type": kind, "value": key} for key in text for kind in ("keyDown", "keyUp")]
        self._perform({"type": "key", "id": "keyboard", "actions": keys})

    def _perform(self, source: dict[str, object]) -> None:
        self.ask("input.performActions", context=self._context, actions=[source])

    def _run(self, expression: str) -> object:
        target = {"context": self._context}
        answer = self.ask("script.evaluate", expression=expression, target=target, awaitPromise=True)
        assert answer["type"] == "success", answer
        return answer["result"]


@contextmanager
def firefox(folder: Path, _: object) -> Iterator[Engine]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    profile = folder / "profile"
    profile.mkdir()
    command = ["firefox-esr", "--headless", "--no-remote", "--profile", profile, f"--remote-debugging-port={port}"]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, stdout=quiet, stderr=quiet, env={**os.environ, "HOME": str(folder)})
    try:
        with _reach(f"ws://127.0.0.1:{port}/session") as line:
            engine = _Firefox(line)
            yield engine
            engine.ask("browser.close")
        process.wait(PATIENCE)
    finally:
        process.kill()
        process.wait()


def _reach(url: str) -> ClientConnection:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return connect(url, max_size=None, proxy=None, compression=None)
        except (OSError, WebSocketException):
            assert time.monotonic() < end, "Firefox does not answer"
            time.sleep(0.1)


class _WebKit:
    def __init__(self, driver: object) -> None:
        self._driver = driver

    def goto(self, url: str) -> None:
        self._driver.get(url)  # type: ignore[attr-defined]

    def evaluate(self, expression: str) -> object:
        script = f"Promise.resolve({expression}).then(v => arguments[0](JSON.stringify(v ?? null)))"
        script = f"const done = arguments[0]; {script.replace('arguments[0]', 'done')}"
        return json.loads(self._driver.execute_async_script(script))  # type: ignore[attr-defined]

    def click(self, selector: str) -> None:
        self._driver.find_element("css selector", selector).click()  # type: ignore[attr-defined]

    def type(self, text: str) -> None:
        self._driver.switch_to.active_element.send_keys(text)  # type: ignore[attr-defined]


@contextmanager
def webkit(folder: Path, _: object) -> Iterator[Engine]:
    from selenium import webdriver
    from selenium.webdriver.webkitgtk.service import Service

    with _display() as display:
        driver = folder / "driver"
        driver.write_text('#!/bin/sh\nexec dbus-run-session -- WebKitWebDriver "$@"\n')
        driver.chmod(0o700)
        options = webdriver.WebKitGTKOptions()
        options.binary_location = _mini_browser()
        options.add_argument("--automation")
        setting = {**os.environ, "DISPLAY": display, "HOME": str(folder)}
        service = Service(str(driver), env=setting, log_output=subprocess.DEVNULL)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # selenium's, of itself
            browser = webdriver.WebKitGTK(options=options, service=service)
        browser.set_script_timeout(PATIENCE)
        browser.set_page_load_timeout(PATIENCE)
        try:
            yield _WebKit(browser)
        finally:
            browser.quit()


@contextmanager
def _display() -> Iterator[str]:
    """A screen that is not there."""
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1440x900x24", "-nolisten", "tcp"]
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


ENGINES = {"chromium": chromium, "firefox": firefox, "webkit": webkit}
NEEDED = {
    "chromium": (),
    "firefox": ("firefox-esr",),
    "webkit": ("WebKitWebDriver", "Xvfb", "dbus-run-session", "dpkg"),
}
"""The programs that each takes."""
