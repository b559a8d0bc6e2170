"""WebKitGTK by WebDriver: what Playwright does not drive."""

from __future__ import annotations

import json
import os
import subprocess
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.remote.webdriver import WebDriver

PATIENCE = 120  # seconds: it compiles Python for longer than all others, and a busy machine for longer still
NEEDED = ("WebKitWebDriver", "Xvfb", "dbus-run-session", "setpriv", "dpkg")
"""The programs that it takes."""


class WebKit:
    """A browser with one tab."""

    def __init__(self, driver: WebDriver) -> None:
        self._driver = driver

    def goto(self, url: str) -> None:
        self._driver.get(url)

    def evaluate(self, expression: str) -> object:
        """The value of an expression, awaited, as JSON has it."""
        script = f"Promise.resolve({expression}).then(v => arguments[0](JSON.stringify(v ?? null)))"
        script = f"const done = arguments[0]; {script.replace('arguments[0]', 'done')}"
        return json.loads(self._driver.execute_async_script(script))

    def click(self, selector: str) -> None:
        """Click the middle of what is in sight of it, as soon as nothing lies over that."""
        place = f"""(element => {{
            if (!element) return null;
            element.scrollIntoView({{ block: "nearest" }});
            const {{ left, right, top, bottom }} = element.getBoundingClientRect();
            const at = [(left + right) / 2, (top + bottom) / 2];
            return element.contains(document.elementFromPoint(...at)) ? at : null;
        }})(document.querySelector({json.dumps(selector)}))"""
        x, y = self.wait(place)  # type: ignore[misc]
        actions = ActionBuilder(self._driver, duration=0)
        actions.pointer_action.move_to_location(int(x), int(y)).click()
        actions.perform()

    def type(self, text: str) -> None:
        self._driver.switch_to.active_element.send_keys(text)

    def wait(self, expression: str, wanted: Callable[[object], bool] = bool) -> object:
        """Evaluate an expression until its value is as wanted."""
        end = time.monotonic() + PATIENCE
        while not wanted(value := self.evaluate(expression)):
            assert time.monotonic() < end, f"{expression} is still {value!r}"
            time.sleep(0.1)
        return value


@contextmanager
def start_webkit(folder: Path) -> Iterator[WebKit]:
    from selenium import webdriver
    from selenium.webdriver.webkitgtk.service import Service

    with _display() as display:
        driver = folder / "driver"
        driver.write_text('#!/bin/sh\nexec dbus-run-session -- setpriv --pdeathsig TERM WebKitWebDriver "$@"\n')
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
            yield WebKit(browser)
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
