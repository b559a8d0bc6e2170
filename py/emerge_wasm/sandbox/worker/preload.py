"""Imports everything that a worker may need before it is confined: importing later would open files.

Shipped code may import the modules listed here and the packages that the node's `--preload` names.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
import warnings
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from importlib import metadata
from importlib.machinery import BuiltinImporter, FrozenImporter
from zoneinfo import TZPATH

from .kept_database import keep_databases
from .memory_files import KEPT
from .memory_finder import MemoryFinder, installed_modules
from .refusal import explain, explain_loaded

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


def preload(packages: Sequence[str]) -> set[str]:
    """Import the modules above and these packages (dotted names allowed). Return the top-level names of these packages
    and of those that they imported. Raises ImportError for a missing package."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in (*STANDARD, *_extensions()):
            with suppress(ImportError):  # not in every Python
                importlib.import_module(name)
        for name in (f"{OURS}.{part}" for part in CORE):
            importlib.import_module(name)
            _complete(name)
        before = {*available(), OURS}
        for name in packages:
            importlib.import_module(name)
            _complete(name)
        if "numpy" in sys.modules:  # submodules that numpy imports on first use
            importlib.import_module("numpy.random")
    return {*available(), *(name.partition(".")[0] for name in packages)} - before


def _extensions() -> Iterator[str]:
    """Yield the compiled modules of the standard library: they cannot be loaded from memory."""
    yield from sys.builtin_module_names
    for path in sys.path:
        if os.path.basename(path) == "lib-dynload":
            for name in {name.partition(".")[0] for name in os.listdir(path)}:
                if name in sys.stdlib_module_names:
                    yield name


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


def keep_files(packages: Collection[str]) -> None:
    """Keep the files that workers may read: modules of the standard library, time zones, and the files of packages."""
    KEPT.add_tree(STANDARD_LIBRARY, _NOT_KEPT)
    for folder in TZPATH:
        KEPT.add_tree(folder, {"posix", "right"})
    folders = [folder for name in packages for folder in getattr(sys.modules.get(name), "__path__", ())]
    for folder in folders:
        KEPT.add_tree(folder, _LEFT_OUT)
    keep_databases(folders)
    for about in _descriptions(packages):
        KEPT.add_tree(about)
        KEPT.add_name(about)


STANDARD_LIBRARY = os.path.dirname(os.__file__)
_NOT_KEPT = frozenset({"test", "tests", "idle_test", "site-packages", "dist-packages", "lib-dynload", "_bundled"})


def _descriptions(packages: Collection[str]) -> Iterator[str]:
    """Yield the folders that `importlib.metadata` reads, of these packages."""
    if packages:
        for distribution in metadata.distributions():
            tops = {str(file).partition("/")[0].partition(".")[0] for file in distribution.files or ()}
            folder = getattr(distribution, "_path", None)
            if folder is not None and tops & set(packages):
                yield str(folder)


def close_imports(packages: Collection[str]) -> None:
    """Restrict imports to loaded modules and those whose files are kept; others raise an error that says so."""
    installed = installed_modules(sys.path)
    keep_files(packages)
    KEPT.serving = True
    explain_loaded()
    finder = MemoryFinder(KEPT, [STANDARD_LIBRARY], installed, explain)
    sys.meta_path[:] = [BuiltinImporter, FrozenImporter, finder]
    sys.path_importer_cache.clear()
