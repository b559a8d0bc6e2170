"""The packages of a Pyodide's own distribution, by its lock file: at a URL, or in a folder of the operator's."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Mapping
from urllib.parse import urljoin

from packaging.utils import canonicalize_name

from ...errors import EmergeError, Unavailable
from .cache import FileCache
from .package_file import PackageFile, is_hash
from .settings import PackageLimits
from .upstream import Upstream
from .wheel import BrowserPython

log = logging.getLogger("emerge.relay.packages")

LockEntry = dict[str, object]
"""One of a lock's packages, as Pyodide reads it."""
USED = ("name", "version", "file_name", "install_dir", "sha256", "package_type", "imports", "depends")
KEPT = 7 * 24 * 3600.0
"""Seconds after which the lock at a URL is asked for again: that of a released Pyodide never changes."""


class LockedPackages:
    """The distribution at the URL of its lock file."""

    def __init__(
        self,
        url: str,
        python: BrowserPython,
        pages: FileCache,
        limits: PackageLimits,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.upstream = Upstream(url, limits)
        self._python = python
        self._pages = pages
        self._now = now
        self._turn = asyncio.Lock()
        self._entries: tuple[float, dict[str, LockEntry]] | None = None

    @property
    def shown(self) -> str:
        return self.upstream.shown

    async def entries(self) -> dict[str, LockEntry]:
        """Its packages by their normalised names.

        Raises:
            Unavailable: the server is away, and was not asked before; or what it has is no lock for this Python.
        """
        async with self._turn:
            if self._entries is None:
                self._entries = await asyncio.to_thread(self._kept)
            if self._entries is None or not 0 <= self._now() - self._entries[0] < KEPT:
                await self._refresh()
            assert self._entries is not None
            return self._entries[1]

    def file(self, entry: LockEntry) -> PackageFile:
        """The file of one of its packages."""
        url = urljoin(str(self.upstream.url), str(entry["file_name"]))
        return PackageFile(file_name(entry), str(entry["sha256"]), url=url)

    async def download(self, file: PackageFile, files: FileCache) -> None:
        """Put a file of it into the cache."""
        await self.upstream.keep(file.url, file.sha256, files)

    async def _refresh(self) -> None:
        try:
            data, _ = await self.upstream.read(str(self.upstream.url))
            entries = lock_entries(_parse(data), self._python)
        except EmergeError:
            if self._entries is None:
                raise
            return
        self._entries = (self._now(), entries)
        row = {"asked": self._entries[0], "packages": entries}
        await asyncio.to_thread(self._pages.write, self._key, json.dumps(row).encode())

    @property
    def _key(self) -> str:
        return f"lock-{self.upstream.mark}-{self._python.abi}.json"

    def _kept(self) -> tuple[float, dict[str, LockEntry]] | None:
        path = self._pages.find(self._key)
        if path is None:
            return None
        try:
            row = json.loads(path.read_text("utf-8"))
            return float(row["asked"]), dict(row["packages"])
        except (OSError, ValueError, LookupError, TypeError):
            return None


def lock_entries(lock: Mapping[str, object] | None, python: BrowserPython) -> dict[str, LockEntry]:
    """The packages of a lock that are for this Python, by their normalised names.

    Raises:
        Unavailable: it is no lock, or for another Python.
    """
    info, packages = (lock or {}).get("info"), (lock or {}).get("packages")
    if not isinstance(info, dict) or not isinstance(packages, dict):
        raise Unavailable("what is there is no lock file of a Pyodide", remedy="name its pyodide-lock.json")
    abi, version = str(info.get("abi_version", "")), str(info.get("python", ""))
    if abi != python.abi or not version.startswith(f"{python.major}.{python.minor}."):
        raise Unavailable(
            f"its packages are for Python {version} ({abi}); the page has {python.major}.{python.minor} ({python.abi})",
            remedy="name the lock file of a Pyodide of the same version",
        )
    found: dict[str, LockEntry] = {}
    for row in packages.values():
        if isinstance(row, dict) and is_hash(str(row.get("sha256", ""))) and isinstance(row.get("imports"), list):
            entry = {key: row[key] for key in USED if key in row}
            if len(entry) == len(USED):
                found[canonicalize_name(str(row["name"]))] = entry
    return found


def file_name(entry: LockEntry) -> str:
    """The name of a package's file, without the folder or address that it is at."""
    return str(entry["file_name"]).rpartition("/")[2]


def _parse(data: bytes) -> Mapping[str, object] | None:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
