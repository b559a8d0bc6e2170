"""Imports everything that a worker may need before it is confined: importing later would open files.

Shipped code may import the modules listed here and the packages that the node's `--preload` names.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
import warnings
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from importlib.machinery import BuiltinImporter, FrozenImporter, ModuleSpec
from types import ModuleType

from ...bundles import parse
from ...errors import Unavailable

OURS = "emerge_wasm"

STANDARD = """
    _strptime abc annotationlib array ast asyncio base64 binascii bisect builtins bz2 calendar cmath codecs collections
    collections.abc colorsys concurrent.futures concurrent.futures.thread configparser contextlib contextvars
    copy copyreg csv dataclasses datetime decimal difflib dis email email.message email.mime.text email.parser
    email.policy enum errno fnmatch fractions functools gc graphlib gzip hashlib heapq hmac html html.entities
    html.parser importlib importlib.util inspect io ipaddress itertools json json.decoder json.encoder keyword
    linecache locale logging lzma math mimetypes numbers opcode operator os os.path pathlib pickle platform
    posixpath pprint queue quopri random re reprlib sched secrets select selectors shlex signal stat statistics
    string stringprep struct symtable sys tarfile textwrap threading time timeit token tokenize traceback types
    typing unicodedata urllib urllib.error urllib.parse uuid warnings weakref xml xml.dom xml.dom.minidom
    xml.etree xml.etree.ElementTree xml.sax xml.sax.saxutils zipfile zlib zoneinfo
    encodings.ascii encodings.base64_codec encodings.cp1250 encodings.cp1251 encodings.cp1252 encodings.cp437
    encodings.cp850 encodings.hex_codec encodings.idna encodings.iso8859_1 encodings.iso8859_15
    encodings.iso8859_2 encodings.latin_1 encodings.mac_roman encodings.punycode encodings.raw_unicode_escape
    encodings.rot_13 encodings.unicode_escape encodings.utf_16 encodings.utf_16_be encodings.utf_16_le
    encodings.utf_32 encodings.utf_32_be encodings.utf_32_le encodings.utf_7 encodings.utf_8 encodings.utf_8_sig
""".split()
"""Modules of the standard library that work on data."""

CORE = ("bundles", "codec", "filesystem", "query")
"""Subpackages whose modules are all imported; modules of other subpackages are imported only as these need them."""


def preload(packages: Sequence[str]) -> None:
    """Import the modules above and these packages (dotted names allowed). Raises ImportError for a missing package."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in STANDARD:
            with suppress(ImportError):  # not in every Python
                importlib.import_module(name)
        for name in (*(f"{OURS}.{part}" for part in CORE), *packages):
            importlib.import_module(name)
            _complete(name)
        if "numpy" in sys.modules:  # submodules that numpy imports on first use
            importlib.import_module("numpy.random")
    _ZONES.extend(_zones())


def _complete(package: str) -> None:
    """Import all modules of a package, also those that it would import on first use. Modules that fail to import here
    (for another system, or without an optional package) are skipped."""
    for found in pkgutil.iter_modules(getattr(sys.modules.get(package), "__path__", ()), f"{package}."):
        last = found.name.rpartition(".")[2]
        if last in _LEFT_OUT or last.startswith("test_"):
            continue
        with suppress(Exception, SystemExit):
            importlib.import_module(found.name)
            _complete(found.name)


_LEFT_OUT = frozenset({"__main__", "_testing", "conftest", "setup", "tests"})


def available() -> list[str]:
    """Return the top-level names of the imported packages, without the standard library's."""
    tops = {name.partition(".")[0] for name in sys.modules}
    return sorted(tops - sys.stdlib_module_names - {"__main__"})


_ZONES: list[object] = []
"""Every time zone: while these are alive, ZoneInfo(name) takes them from its cache and opens no file."""


def _zones() -> Iterator[object]:
    import zoneinfo  # only here: the node imports this module too, and needs no zones

    for name in zoneinfo.available_timezones():
        with suppress(OSError, ValueError):
            yield zoneinfo.ZoneInfo(name)


class _AbsentModules:
    """Import finder that raises an error for a missing module and says how to make it available."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if sys._getframe(2).f_globals.get("__name__") == "importlib.util":  # find_spec only checks for the module
            return None
        raise ModuleNotFoundError(
            f"the module {name} is not on this node: emerge node start --preload {name}", name=name
        )


def close_imports() -> None:
    """Restrict imports to loaded modules; importing anything else raises an error that says so."""
    sys.meta_path[:] = [BuiltinImporter, FrozenImporter, _AbsentModules]
    sys.path_importer_cache.clear()


class PackageCheck:
    """Checks that the packages that a class's bundles import are available in the zygote."""

    _MOST = 10_000  # bundles in the cache

    def __init__(self) -> None:
        self._needs: dict[str, tuple[str, ...]] = {}  # by hash

    def check(self, bundles: dict[str, bytes], packages: Collection[str], path: str | None) -> None:
        """Raise Unavailable, naming the packages, when a bundle needs some that are missing."""
        for hash, data in bundles.items():
            absent = [name for name in self._of(hash, data) if name not in packages]
            if absent:
                raise Unavailable(
                    f"{parse(data, hash).class_name} needs {', '.join(absent)}, which this node has not loaded",
                    path=path,
                    remedy=f"emerge node start --preload {','.join(absent)}",
                    packages=absent,
                )

    def _of(self, hash: str, data: bytes) -> tuple[str, ...]:
        if hash not in self._needs:
            if len(self._needs) >= self._MOST:
                self._needs.clear()
            self._needs[hash] = parse(data, hash).needs
        return self._needs[hash]
