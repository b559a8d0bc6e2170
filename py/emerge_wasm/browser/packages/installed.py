"""The packages that are installed in this Python, and which of them some code uses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.metadata import Distribution, distributions
from urllib.parse import urlsplit

from .catalogue import LockedPackage
from .pin import Pin, name_of, normalise

FILES = "/packages/file/"


def pins_of(modules: Iterable[str], also: Iterable[str], locked: Mapping[str, LockedPackage]) -> list[Pin]:
    """The files of the relay from which these modules and packages come, with all that they need. `locked` are those of
    Pyodide's distribution, which notes no address."""
    wanted = set(modules)
    known = {normalise(found.name): found for found in distributions()}
    names = [name for name, found in known.items() if wanted & modules_of(found)] + [normalise(name) for name in also]
    pins, seen = [], set[str]()
    while names:
        name = names.pop()
        if name in seen or name not in known:
            continue
        seen.add(name)
        pin = _pin_of(name, known[name], locked)
        if pin is not None:
            pins.append(pin)
            names += [name_of(line) for line in known[name].requires or [] if "extra ==" not in line]
    return pins


def modules_of(found: Distribution) -> set[str]:
    """The top-level modules of a distribution."""
    names = set()
    for file in found.files or ():
        top = file.parts[0]
        if top.endswith((".dist-info", ".data")) or file.suffix not in (".py", ".so"):
            continue
        names.add(top if len(file.parts) > 1 else top.partition(".")[0])
    return names


def loaded() -> dict[str, str]:
    """The versions of all packages, by name."""
    return {normalise(found.name): found.version for found in distributions()}


def _pin_of(name: str, found: Distribution, locked: Mapping[str, LockedPackage]) -> Pin | None:
    """Of a file that the relay serves by its hash."""
    url = urlsplit((found.read_text("PYODIDE_URL") or "").strip()).path
    if not url and found.read_text("PYODIDE_SOURCE") == "pyodide" and name in locked:
        url = urlsplit(str(locked[name]["file_name"])).path
    if not url.startswith(FILES):
        return None
    return Pin(name, found.version, url.removeprefix(FILES).partition("/")[0])
