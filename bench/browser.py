"""The Chromium of the measurements in a page: profiles in folders, as users have them, so that caches count."""

from __future__ import annotations

import http.cookiejar
import os
import shutil
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import BrowserContext, Playwright

from buildtools.browser import FLAGS

PATIENCE = 60_000  # milliseconds


@contextmanager
def profile(playwright: Playwright) -> Iterator[BrowserContext]:
    """A browser that has never been anywhere; what it keeps is gone at the end."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        context = playwright.chromium.launch_persistent_context(
            f"{folder}/profile",
            executable_path=shutil.which("chromium"),
            args=list(FLAGS),
            env={**os.environ, "TMPDIR": folder},  # it leaves files there
        )
        try:
            context.set_default_timeout(PATIENCE)
            yield context
        finally:
            context.close()


class SignIn:
    """The session that a one-time link stands for, so that any number of profiles can have it."""

    def __init__(self, link: str) -> None:
        self.jar = http.cookiejar.CookieJar()
        urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.jar)).open(link).close()

    def into(self, context: BrowserContext, url: str) -> None:
        """Let this profile in."""
        context.add_cookies([{"name": each.name, "value": each.value or "", "url": url} for each in self.jar])
