"""All packages that a relay has for cells: of the operator's folders, of the page itself, of sources that were named.

A package that a folder of the operator's has is taken from there alone, whatever else has one of that name; of several
indexes the first that knows a name answers for it. So nobody can slip a package of theirs under one of the operator's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import NamedTuple, TypedDict
from urllib.parse import urlsplit

from packaging.utils import canonicalize_name

from ...errors import EmergeError, Invalid, NotFound
from .cache import FileCache
from .folder import LOCK, FolderWheel, WheelFolder, read_lock
from .index import PackageIndex
from .locked import LockedPackages, LockEntry, file_name
from .package_file import PackageFile
from .settings import PackageSettings
from .wheel import BrowserPython, is_name, parse_wheel

log = logging.getLogger("emerge.relay.packages")

PYPI = "pypi"
PYPI_URL = "https://pypi.org/simple/"
PYODIDE_URL = "https://cdn.jsdelivr.net/pyodide/v{version}/full/pyodide-lock.json"


class PackageCatalogue(TypedDict):
    """What the page is told: the packages to load for each import, those of distributions as Pyodide's lock has them,
    the indexes that may be asked for others, what is wrong with a source just now, and by package which files of it are
    of no use to a browser."""

    imports: dict[str, list[str]]
    locked: dict[str, LockEntry]
    indexes: list[str]
    failed: list[str]
    left_out: dict[str, str]


class PackageListing(NamedTuple):
    """The files of one package, as an index answers them."""

    name: str
    files: list[PackageFile]


class LocatedFile(NamedTuple):
    """A file, and how its bytes can be had."""

    file: PackageFile
    data: Callable[[], Awaitable[Path | bytes | None]]
    metadata: Callable[[], Awaitable[Path | bytes | None]]


class Repository:
    """The packages of one relay. `data` is where fetched ones are kept, `bundled` the page's folder of Pyodide."""

    def __init__(self, settings: PackageSettings, data: Path, bundled: Path | None) -> None:
        lock = read_lock(bundled) if bundled is not None else None
        self.python = browser_python(lock)
        limits = settings.limits
        self._files = FileCache(data / "files", limits.kept)
        self._pages = FileCache(data / "pages", limits.pages)
        self._folders = [WheelFolder(path, self.python) for path in settings.wheels]
        self._bundled = [WheelFolder(bundled, self.python)] if bundled is not None else []
        self._indexes: list[PackageIndex] = []
        self._distributions: list[LockedPackages] = []
        for url in _urls(settings.sources, lock):
            if urlsplit(url).path.endswith(LOCK):
                self._distributions.append(LockedPackages(url, self.python, self._pages, limits))
            else:
                self._indexes.append(PackageIndex(url, self.python, self._pages, limits))
        self._under_way: dict[str, asyncio.Task[Path | None]] = {}
        self._files.sweep()
        self._pages.sweep()

    async def close(self) -> None:
        for task in self._under_way.values():
            task.cancel()
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)
        for upstream in [source.upstream for source in self._indexes] + [one.upstream for one in self._distributions]:
            await upstream.close()

    async def listing(self, name: str) -> PackageListing:
        """The files of a package that a browser can use.

        Raises:
            NotFound: there are none; it says why, and what the operator can do.
            Unavailable: an index that may have some is away.
        """
        name = _checked(name)
        mine = await asyncio.to_thread(self._here, self._folders, name)
        if mine:
            return PackageListing(name, [wheel.file for wheel in mine])
        files, told = await self._ask(name)
        if not files:
            raise self._missing(name, told)
        return PackageListing(name, files)

    async def locate(self, sha256: str, filename: str) -> LocatedFile:
        """Find a file by its hash.

        Raises:
            NotFound: no source names one of that hash and name.
            Unavailable: a source that may do so is away.
        """
        for folder in self._folders:
            for wheel in await asyncio.to_thread(folder.wheels):
                if wheel.file.sha256 == sha256 and wheel.file.filename == filename:
                    return self._of_folder(folder, wheel)
            found = await self._of_lock(folder, sha256, filename)
            if found is not None:
                return found
        failed: EmergeError | None = None
        parsed = parse_wheel(filename)
        for index in self._indexes if parsed else ():
            assert parsed is not None
            try:
                page = await index.find(parsed.name)
            except EmergeError as error:
                failed = error
                continue
            for file in page.files if page else ():
                if file.sha256 == sha256 and file.filename == filename:
                    return self._of_index(index, file)
        for distribution in self._distributions:
            try:
                entries = await distribution.entries()
            except EmergeError as error:
                failed = error
                continue
            for entry in entries.values():
                file = distribution.file(entry)
                if file.sha256 == sha256 and file.filename == filename:
                    return self._of_distribution(distribution, file)
        kept = await asyncio.to_thread(self._files.find, sha256)
        if kept is not None:  # it was named once, and is not any more
            file = PackageFile(filename, sha256)
            return LocatedFile(file, lambda: _is(kept), lambda: _is(None))
        raise failed or NotFound(f"no source has {filename} of that hash", remedy="look at the index again")

    async def catalogue(self) -> PackageCatalogue:
        """What can be imported, and from where."""
        locked, failed = await self._locked()
        imports: dict[str, dict[str, None]] = {}
        for folders in (self._folders, self._bundled):
            for name, wheel in (await asyncio.to_thread(_newest, folders)).items():
                if folders is self._folders:
                    locked.pop(name, None)
                for module in wheel.contents.imports:
                    imports.setdefault(module, {})[name] = None
        for name, entry in locked.items():
            for module in entry["imports"] if isinstance(entry["imports"], list) else ():
                if isinstance(module, str) and "." not in module:
                    imports.setdefault(module, {}).setdefault(name)
        return {
            "imports": {module: _chosen(module, list(names)) for module, names in sorted(imports.items())},
            "locked": locked,
            "indexes": [index.shown for index in self._indexes],
            "failed": failed,
            "left_out": self._left_out(),
        }

    async def _locked(self) -> tuple[dict[str, LockEntry], list[str]]:
        """The packages of distributions, each with the path of its file here; and what is wrong."""
        found: dict[str, LockEntry] = {}
        failed = []
        for folder in self._folders:
            try:
                here = await asyncio.to_thread(folder.locked)
            except EmergeError as error:
                failed.append(f"{folder.path.name}: {error}")
                continue
            for name, entry in here.items():
                found.setdefault(name, _with_path(entry))
        for distribution in self._distributions:
            try:
                entries = await distribution.entries()
            except EmergeError as error:
                failed.append(str(error))
                continue
            for name, entry in entries.items():
                found.setdefault(name, _with_path(entry))
        return found, failed

    async def _ask(self, name: str) -> tuple[list[PackageFile], str]:
        """Ask the indexes: the files of the first that knows the name, and in words what was found of it."""
        failed: EmergeError | None = None
        for index in self._indexes:
            try:
                page = await index.find(name)
            except EmergeError as error:
                failed = error
                continue
            if page is not None:
                kinds = "wheels for machines only" if page.wheels else "sources only"
                return page.files, f"{index.shown} has {kinds} of it"
        if failed is not None:
            raise failed
        return [], " and ".join(f"{index.shown} has none of that name" for index in self._indexes)

    def _left_out(self) -> dict[str, str]:
        """Of which packages the folders have no file that a browser can use, but another; and which."""
        found = {name: why for folder in self._folders for name, why in folder.left_out().items()}
        here = {wheel.parsed.name for folder in self._folders for wheel in folder.wheels()} if found else set()
        return {name: why for name, why in found.items() if name not in here}

    def _missing(self, name: str, told: str) -> NotFound:
        platform = f"cp{self.python.major}{self.python.minor} and pyemscripten_{self.python.abi}_wasm32"
        wheel = f"a wheel of it for browsers (py3-none-any, or {platform}) in a folder that --wheels names"
        allow = "" if self._indexes else ", or let the relay fetch packages: emerge up --packages pypi"
        why = told or "no package index may be asked, and no folder has it"
        if left := self._left_out().get(name):
            why = f"a folder has {left}{f'; {told}' if told else ''}"
        return NotFound(f"there is no {name} for browsers: {why}", remedy=f"the operator can put {wheel}{allow}")

    def _here(self, folders: list[WheelFolder], name: str) -> list[FolderWheel]:
        return [wheel for folder in folders for wheel in folder.wheels() if wheel.parsed.name == name]

    def _of_folder(self, folder: WheelFolder, wheel: FolderWheel) -> LocatedFile:
        return LocatedFile(
            wheel.file,
            lambda: asyncio.to_thread(folder.read, wheel.path, wheel.file.sha256),
            lambda: _is(wheel.contents.metadata),
        )

    async def _of_lock(self, folder: WheelFolder, sha256: str, filename: str) -> LocatedFile | None:
        try:
            entries = await asyncio.to_thread(folder.locked)
        except EmergeError:
            return None
        if not any(entry["sha256"] == sha256 and file_name(entry) == filename for entry in entries.values()):
            return None
        path = folder.path / filename
        file = PackageFile(filename, sha256)
        return LocatedFile(file, lambda: asyncio.to_thread(folder.read, path, sha256), lambda: _is(None))

    def _of_index(self, index: PackageIndex, file: PackageFile) -> LocatedFile:
        async def metadata() -> Path | None:
            return await self._fetched(file.metadata, lambda: index.download_metadata(file, self._files))

        async def data() -> Path | None:
            return await self._fetched(file.sha256, lambda: index.download(file, self._files))

        return LocatedFile(file, data, metadata if file.metadata else lambda: _is(None))

    def _of_distribution(self, source: LockedPackages, file: PackageFile) -> LocatedFile:
        async def data() -> Path | None:
            return await self._fetched(file.sha256, lambda: source.download(file, self._files))

        return LocatedFile(file, data, lambda: _is(None))

    async def _fetched(self, sha256: str, fetch: Callable[[], Awaitable[None]]) -> Path | None:
        """A file of the cache, fetched once however many ask for it at the same time."""
        task = self._under_way.get(sha256)
        if task is None:
            task = self._under_way[sha256] = asyncio.ensure_future(self._find_or_fetch(sha256, fetch))
            task.add_done_callback(lambda _: self._under_way.pop(sha256, None))
        return await asyncio.shield(task)

    async def _find_or_fetch(self, sha256: str, fetch: Callable[[], Awaitable[None]]) -> Path | None:
        kept = await asyncio.to_thread(self._files.find, sha256)
        if kept is None:
            await fetch()
            kept = await asyncio.to_thread(self._files.find, sha256)
        return kept


def browser_python(lock: Mapping[str, object] | None) -> BrowserPython:
    """The Python of the page, by the lock file of its Pyodide."""
    info = (lock or {}).get("info")
    if not isinstance(info, dict):
        return BrowserPython()
    major, minor, *_ = f"{info.get('python', '')}..".split(".")
    if not (major.isdigit() and minor.isdigit()):
        return BrowserPython()
    return BrowserPython(int(major), int(minor), str(info.get("abi_version", "")))


def _urls(sources: tuple[str, ...], lock: Mapping[str, object] | None) -> list[str]:
    """The addresses of the sources that were named.

    Raises:
        Invalid: one is none.
    """
    found = []
    for source in sources:
        if source.lower() == PYPI:
            info = (lock or {}).get("info")
            version = info.get("version") if isinstance(info, dict) else None
            found.append(PYPI_URL)
            if version:
                found.append(PYODIDE_URL.format(version=version))
            continue
        parts = urlsplit(source)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Invalid(
                f"{source[:100]} is no package index",
                remedy="name pypi, the URL of an index (https://…/simple/) or of a pyodide-lock.json",
            )
        found.append(source)
    return list(dict.fromkeys(found))


def _with_path(entry: LockEntry) -> LockEntry:
    """The entry with the path of its file at the relay."""
    return {**entry, "file_name": f"/packages/file/{entry['sha256']}/{file_name(entry)}"}


def _checked(name: str) -> str:
    plain = canonicalize_name(name)
    if not is_name(plain):
        raise NotFound(f"{name[:100]!r} cannot be the name of a package", remedy="letters, digits, - . and _")
    return plain


def _newest(folders: list[WheelFolder]) -> dict[str, FolderWheel]:
    """The newest wheel of each package."""
    found: dict[str, FolderWheel] = {}
    for wheel in (wheel for folder in folders for wheel in folder.wheels()):
        other = found.get(wheel.parsed.name)
        if other is None or other.parsed.version < wheel.parsed.version:
            found[wheel.parsed.name] = wheel
    return found


def _chosen(module: str, names: list[str]) -> list[str]:
    """The packages to load for an import that several have: that of its name, or (of a namespace) all of them."""
    same = canonicalize_name(module)
    return [same] if same in names else names


async def _is(value: Path | bytes | None) -> Path | bytes | None:
    return value
