"""A browser to test in: the system's Chromium, Debian's packages where we may install them, else Playwright's own."""

from __future__ import annotations

import shutil
import subprocess

from . import debian
from .environment import PYTHON
from .step import BuildError, run, say

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--no-sandbox",  # root has none
    "--disable-gpu",
    "--disable-dev-shm-usage",
    # and nothing that calls home
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""What a Chromium in tests and measurements is started with."""
ADVICE = (
    "no browser to test in. On Debian or Ubuntu: apt-get install chromium chromium-driver. Elsewhere: "
    ".venv/bin/playwright install chromium, or put chromium and chromedriver of one version on the PATH"
)


def find() -> tuple[str, str] | None:
    """The paths of a Chromium and its chromedriver, None when there are none."""
    browser = next((path for name in CHROMIUM if (path := shutil.which(name))), None)
    driver = shutil.which("chromedriver")
    return (browser, driver) if browser and driver else None


def _playwright_browser() -> str | None:
    """Playwright's Chromium, downloaded when it is not there yet."""
    try:
        run(PYTHON, "-m", "playwright", "install", "chromium")
    except BuildError as error:
        say(f"Playwright could not get its Chromium: {str(error)[-500:]}")
        return None
    code = "from playwright.sync_api import sync_playwright as s\nwith s() as p: print(p.chromium.executable_path)"
    found = subprocess.run([PYTHON, "-c", code], capture_output=True, text=True)
    return found.stdout.strip() or None


def ensure() -> dict[str, str]:
    """What tests need in their environment to find the browser; BuildError with advice when there is none.

    EMERGE_CHROMIUM is its path; without a chromedriver selenium fetches one by itself.
    """
    found = find()
    if not found:
        debian.install("chromium", "chromium-driver")
        found = find()
    if found:
        return {
            "EMERGE_CHROMIUM": found[0],
            "EMERGE_CHROMEDRIVER": found[1],
            "SE_OFFLINE": "true",
            "SE_AVOID_STATS": "true",
            "SE_CHROMEDRIVER": found[1],
        }
    own = _playwright_browser()
    if own is None:
        raise BuildError(ADVICE)
    return {"EMERGE_CHROMIUM": own, "SE_AVOID_STATS": "true"}
