"""Loads packages into the Python of cells: what a cell imports, what `%pip install` names, what a notebook has pinned.

micropip resolves and installs; Pyodide itself installs what is of its own distribution. Both fetch from the relay.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import re
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from ...errors import EmergeError, NotFound, Unavailable
from ..library import imported_modules, is_importable, load_libraries
from .catalogue import PREFIX, CellCatalogue, ask, fetch_catalogue, find_file, origin
from .download import Download, listening
from .installed import loaded, pins_of
from .pin import Pin, name_of, normalise, order, parse_pin

LOG = logging.getLogger("emerge.browser.packages")

FRESH = 20.0  # seconds that the catalogue holds
_NAMED = re.compile(r"(?:metadata for|wheel for:?) '([A-Za-z0-9._-]+)")
_WANTED = re.compile(r"wheel for:? '([^']+)'")
_SAYS = re.compile(r"the relay says: ([^\n]*)")
_FAQ = re.compile(r"\s*See: https?://\S+\s*")

Tell = Literal["line", "steps", "nothing"]
WriteLine = Callable[[str], object]
"""Prints into the cell."""


class PackageLoader:
    """The packages of one Python. `write` tells a cell what goes on."""

    def __init__(self, write: WriteLine) -> None:
        self._write = write
        self._catalogue = CellCatalogue()
        self._asked = -FRESH
        self._loaded = False
        self._named: set[str] = set()  # packages that `%pip` or a notebook asked for
        self._why: dict[str, str] = {}  # why a module could not be loaded
        self._turn = asyncio.Lock()
        self._told: set[str] = set()

    # --- before and after a cell
    async def prepare(self, code: str, requirements: Sequence[str]) -> None:
        """Load what this code imports, as the notebook's requirements have it.

        Raises:
            Unavailable: a file that they pin cannot be had.
        """
        await load_libraries(code)
        modules = imported_modules(code)
        if "micropip" in modules:
            await self.micropip()
        if any(not is_importable(name) for name in modules):
            await self.require(requirements)
            await self.load(modules)
        self._compare(requirements, modules)

    def used(self, code: str) -> list[str]:
        """The requirement lines of what this code imports and of what it asked for."""
        named, self._named = self._named, set()
        modules = imported_modules(code) - sys.stdlib_module_names
        if not (modules or named) or not (self._loaded or "micropip" in sys.modules):
            return []
        return order(pins_of(modules, named, self._catalogue.locked))

    async def explain(self, error: BaseException) -> None:
        """Put on an error about a package what can be done (`remedy`)."""
        if isinstance(error, ModuleNotFoundError) and error.name:
            module = error.name.partition(".")[0]
            if not is_importable(module):
                catalogue = await self.catalogue()
                here = f"write import {module} in a cell: this browser cannot load packages from inside other code"
                advice = here if module in catalogue.imports else catalogue.advice(module)
                error.remedy = self._why.get(module) or advice  # type: ignore[attr-defined]  # shown
        elif isinstance(error, ValueError) and (match := _NAMED.search(str(error))):
            told = str(await self._reason(match[1], error))
            error.remedy = told  # type: ignore[attr-defined]  # shown
        elif refused := _refusal(error):
            error.remedy = refused  # type: ignore[attr-defined]  # shown

    # --- what can be loaded
    async def catalogue(self) -> CellCatalogue:
        """What the relay has; asked again after a while."""
        if time.monotonic() - self._asked > FRESH:
            found = await fetch_catalogue()
            if not found.failed or not self._catalogue.imports:
                self._catalogue = found
            self._asked = time.monotonic()
            self._lock(self._catalogue)
        return self._catalogue

    def offers(self, module: str) -> bool:
        """Whether the catalogue, as last heard, has this module."""
        return module in self._catalogue.imports

    async def load(self, modules: Iterable[str]) -> None:
        """Load the packages of modules that are not there yet. What fails is told when the cell fails over it."""
        catalogue = await self.catalogue()
        for module in sorted(set(modules)):
            if is_importable(module) or module not in catalogue.imports:
                continue
            names = catalogue.imports[module]
            try:
                await self.install(names)
            except Exception as error:  # the cell may do without it
                self._why[module] = f"{', '.join(names)} could not be loaded: {error}"
                LOG.warning("%s", self._why[module])
            else:
                self._why.pop(module, None)

    async def require(self, requirements: Sequence[str]) -> None:
        """Load what a notebook pins, each file as it was.

        Raises:
            Unavailable: one cannot be had.
        """
        there = loaded()
        wanted = [line for line in requirements if name_of(line) and name_of(line) not in there]
        if not wanted:
            return
        catalogue = await self.catalogue()
        locked = []
        others = []
        for line in wanted:
            pin = parse_pin(line)
            if pin is None:
                others.append(line)
            elif str(catalogue.locked.get(pin.name, {}).get("sha256")) == pin.sha256:
                locked.append(pin.name)
            else:
                others.append(await self._address(pin))
        await self.install(locked)
        await self.install(others)

    async def _address(self, pin: Pin) -> str:
        try:
            found, why = await find_file(pin.name, pin.sha256), "the relay has other files of it"
        except EmergeError as error:
            found, why = None, error.message
        if found is None:
            raise Unavailable(
                f"there is no {pin.name} {pin.version} ({pin.sha256[:12]}…), which this notebook has used: {why}",
                remedy=f"%pip install {pin.name} takes another one, which the notebook then keeps; or let the operator"
                " put that file into a folder that --wheels names",
            )
        return found

    # --- loading
    async def install(
        self, names: Sequence[str], *, replace: bool = False, pre: bool = False, tell: Tell = "line"
    ) -> None:
        """Load packages by requirement, or by the address of a file; `replace`: also in place of other versions.

        It tells one line, each of micropip's steps, or nothing.

        Raises:
            NotFound: there is none that a browser can use; it says what the operator can do.
            Unavailable: the relay, or what it asks, is away.
        """
        if not names:
            return
        async with self._turn:
            began, before = time.monotonic(), loaded()
            line = f"Loading {', '.join(_shown(name) for name in names)} …"
            if tell == "line":
                self._write(line)
            download = Download(lambda come: tell == "nothing" or self._write(f"\r{line} {come}"))
            try:
                with listening(download):
                    await self._install(names, replace, pre, tell == "steps")
            except EmergeError:
                raise
            except Exception as error:
                raise await self._failure(error) from None
            finally:
                importlib.invalidate_caches()
                there = {name: version for name, version in loaded().items() if name != "micropip"}
                fresh = [f"{name} {version}" for name, version in sorted(there.items()) if before.get(name) != version]
                if tell == "line":
                    took = f"{time.monotonic() - began:.1f} s"
                    self._write(f"\r{', '.join(fresh)} loaded in {took}\n" if fresh else "\r")
                elif tell == "steps":
                    self._write("\r")
            old = [name for name, version in before.items() if there.get(name, version) != version]
            if old:
                self._write(
                    f"where {', '.join(old)} was imported already, it stays as it was: restart Python for the new one\n"
                )
            self._named |= {name_of(name) for name in names if "/" not in name}

    async def _install(self, names: Sequence[str], replace: bool, pre: bool, verbose: bool) -> None:
        await self.catalogue()
        self._loaded = True
        locked = [name for name in names if _is_locked(name)]
        if locked:
            await _load_locked(locked)
            if verbose:
                self._write(f"{', '.join(locked)} loaded\n")
        rest = [name for name in names if name not in locked]
        if rest:
            micropip = await self.micropip()
            await micropip.install(rest, reinstall=replace, pre=pre, verbose=verbose)

    async def micropip(self) -> Micropip:
        """micropip, which asks the relay and nobody else."""
        first = "micropip" not in sys.modules
        if first:
            await self.catalogue()  # micropip copies the lock when it is imported
            await load_libraries("import micropip")
        found = importlib.import_module("micropip")
        if first:
            found.set_index_urls([f"{origin()}{PREFIX}/simple"])
        return found  # type: ignore[return-value]  # a module with these functions

    async def _failure(self, error: Exception) -> Exception:
        refused = _refusal(error)
        if refused:
            return Unavailable(refused, remedy="try again later, or take another version")
        match = _NAMED.search(str(error))
        if match is not None:
            return await self._reason(match[1], error)
        if isinstance(error, ValueError):
            return NotFound(_FAQ.sub("", str(error)))
        return Unavailable(f"{type(error).__name__}: {error}", remedy="try again")

    async def _reason(self, name: str, error: Exception) -> EmergeError:
        """Why the relay has no such package, in its own words."""
        try:
            found = await ask(f"/simple/{name}/")
        except EmergeError as told:
            return told
        files = found["files"]
        assert isinstance(files, list)
        versions = ", ".join(dict.fromkeys(str(file["filename"]).split("-")[1] for file in files))
        wanted = _WANTED.search(str(error))
        if wanted is not None and versions:
            return NotFound(f"there is no {wanted[1]} for this browser", remedy=f"there are {name} {versions}")
        return NotFound(f"{_FAQ.sub('', str(error))} There are {name} {versions or 'in no version'}.")

    def _lock(self, catalogue: CellCatalogue) -> None:
        """Let Pyodide know the packages of its distribution that the relay has."""
        if not catalogue.locked:
            return
        import pyodide_js
        from js import Object
        from pyodide.ffi import to_js

        known = pyodide_js.lockfile.packages
        for name, entry in catalogue.locked.items():
            whole = {**entry, "file_name": origin() + str(entry["file_name"])}
            setattr(known, name, to_js(whole, dict_converter=Object.fromEntries))

    def _compare(self, requirements: Sequence[str], modules: Iterable[str]) -> None:
        """Tell once of a package that is there in another version than the notebook was made with."""
        pins = {pin.name: pin for line in requirements if (pin := parse_pin(line))}
        if not pins:
            return
        for there in pins_of(modules, (), self._catalogue.locked):
            pin = pins.get(there.name)
            if pin is not None and pin != there and str(pin) not in self._told:
                self._told.add(str(pin))
                sys.stderr.write(
                    f"{there.name} {there.version} is loaded; this notebook was made with {pin.version}:"
                    " restart Python to have that one\n"
                )


class Micropip:
    """The functions of micropip that are called here."""

    async def install(self, requirements: Sequence[str], *, reinstall: bool, pre: bool, verbose: bool) -> None: ...

    def uninstall(self, packages: Sequence[str]) -> None: ...


def _refusal(error: BaseException | None) -> str:
    """What the relay said of a file that could not be fetched (web/packages.ts), somewhere in what led to an error."""
    for _ in range(10):
        if error is None:
            break
        if match := _SAYS.search(str(error)):
            return f"the relay says: {match[1]}"
        error = error.__cause__ or error.__context__
    return ""


def _is_locked(name: str) -> bool:
    """Whether the page brings a package, or a distribution that the relay has."""
    import pyodide_js

    return hasattr(pyodide_js.lockfile.packages, normalise(name))


async def _load_locked(names: Sequence[str]) -> None:
    from pyodide.ffi import to_js
    from pyodide_js import loadPackage

    await loadPackage(to_js(list(names)))


def _shown(name: str) -> str:
    """What is loaded, in few letters."""
    return name.rpartition("/")[2].partition("-")[0] if "/" in name else name
