"""What is imported before a worker is closed in: nothing can be imported later, for that opens files.

Shipped code may import what is here, and what the node was started with `--preload` for.
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
"""The standard library's modules that work on data."""

CORE = ("bundles", "codec", "filesystem", "query")
"""The packages of ours of which a worker has every module; the others come with it as they are needed."""


def preload(packages: Sequence[str]) -> None:
    """Import all that, and these packages (dotted names will do). ImportError for a package that cannot be had."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in STANDARD:
            with suppress(ImportError):  # this Python may not have it
                importlib.import_module(name)
        for name in (*(f"{OURS}.{part}" for part in CORE), *packages):
            importlib.import_module(name)
            _complete(name)
        if "numpy" in sys.modules:  # what it imports only when it is used
            importlib.import_module("numpy.random")
    _ZONES.extend(_zones())


def _complete(package: str) -> None:
    """Import all that is in a package: some of it would else be imported when it is first used. What does not import
    here (another system's, or what an optional package is for) is left out."""
    for found in pkgutil.iter_modules(getattr(sys.modules.get(package), "__path__", ()), f"{package}."):
        last = found.name.rpartition(".")[2]
        if last in _LEFT_OUT or last.startswith("test_"):
            continue
        with suppress(Exception, SystemExit):
            importlib.import_module(found.name)
            _complete(found.name)


_LEFT_OUT = frozenset({"__main__", "_testing", "conftest", "setup", "tests"})


def available() -> list[str]:
    """The packages that are imported now, by their top names, but for the standard library's."""
    tops = {name.partition(".")[0] for name in sys.modules}
    return sorted(tops - sys.stdlib_module_names - {"__main__"})


_ZONES: list[object] = []
"""Every time zone: as long as they are kept, ZoneInfo(name) opens no file."""


def _zones() -> Iterator[object]:
    import zoneinfo  # here, for the node imports this module too, and does without

    for name in zoneinfo.available_timezones():
        with suppress(OSError, ValueError):
            yield zoneinfo.ZoneInfo(name)


class _AbsentModules:
    """Says by name what is not here, and how it would be."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if sys._getframe(2).f_globals.get("__name__") == "importlib.util":  # it only asks whether there is one
            return None
        raise ModuleNotFoundError(
            f"the module {name} is not on this node: emerge node start --preload {name}", name=name
        )


def close_imports() -> None:
    """From here on only what is imported can be imported, with an error that says so for anything else."""
    sys.meta_path[:] = [BuiltinImporter, FrozenImporter, _AbsentModules]
    sys.path_importer_cache.clear()


class PackageCheck:
    """Whether what a class needs is here: a bundle says which packages it imports, and a zygote which it has."""

    _MOST = 10_000  # bundles whose needs are remembered

    def __init__(self) -> None:
        self._needs: dict[str, tuple[str, ...]] = {}  # by hash

    def check(self, bundles: dict[str, bytes], packages: Collection[str], path: str | None) -> None:
        """Unavailable, naming the packages, when a bundle needs some that are not here."""
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
