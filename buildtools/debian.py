"""Debian's packages, where we may install them: as root on Debian or Ubuntu."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from .step import BuildError, run, say

TESTS = {
    "ip": "iproute2",
    "nft": "nftables",
    "firefox-esr": "firefox-esr",
    "WebKitWebDriver": "webkit2gtk-driver",
    "Xvfb": "xvfb",
    "xauth": "xauth",
    "dbus-run-session": "dbus",
}
"""Programs that tests use where they are there, and skip without, by their packages."""


def install(*packages: str) -> None:
    """Install packages, or do nothing where that is not ours to do; say why it failed."""
    if not packages or os.name != "posix" or os.geteuid() or not Path("/etc/debian_version").exists():
        return
    say(f"installing {' and '.join(packages)} …")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        run("apt-get", "update", "-qq", env=quiet)
        run("apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages, env=quiet)
    except (BuildError, OSError) as error:
        say(f"that failed: {str(error)[-500:]}")


def ensure() -> None:
    """Install what the tests would skip without."""
    install(*(package for program, package in TESTS.items() if not shutil.which(program)))
