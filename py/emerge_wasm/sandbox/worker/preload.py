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
from importlib.machinery import EXTENSION_SUFFIXES, BuiltinImporter, FrozenImporter
from types import ModuleType
from zoneinfo import TZPATH

from ...bundles import alias
from ...version import package_version
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

CORE = ("bundles", "classic", "codec", "filesystem", "query")
"""Subpackages whose modules are all imported; modules of other subpackages are imported only as these need them."""


def preload(packages: Sequence[str]) -> set[str]:
    """Import the modules above and these packages (dotted names allowed). Return the top-level names of these packages
    and of those that they imported. Raises ImportError for a missing package."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in (*STANDARD, *_extensions()):
            with suppress(ImportError):  # not in every Python
                importlib.import_module(name)
        for part in CORE:
            importlib.import_module(f"{OURS}.{part}")
        alias.install()
        before = {*available(), OURS}
        for name in packages:
            importlib.import_module(name)
            _complete(name)
        loaded = {*available(), *(name.partition(".")[0] for name in packages)} - before
        for name in loaded:
            _load_extensions(name)
        if "numpy" in sys.modules:  # submodules that numpy imports on first use
            importlib.import_module("numpy.random")
        sys.meta_path.insert(0, _NoMorePackages)
        for part in CORE:
            _complete(f"{OURS}.{part}")
        sys.meta_path.remove(_NoMorePackages)
    return loaded | (available() - before)


class _NoMorePackages:
    """An import finder that refuses packages which are not loaded: modules of ours import some that may be missing."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> None:
        if name.partition(".")[0] not in {OURS, *sys.stdlib_module_names, *sys.modules}:
            raise ModuleNotFoundError(f"{name} is not preloaded", name=name)


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


def _load_extensions(package: str) -> None:
    """Import the compiled modules of a package that another one brought along; its other modules can come later."""
    for folder in getattr(sys.modules.get(package), "__path__", ()):
        for where, folders, names in os.walk(folder):
            folders[:] = [name for name in folders if name not in _LEFT_OUT]
            for name in names:
                if name.endswith(tuple(EXTENSION_SUFFIXES)):
                    path = os.path.relpath(os.path.join(where, name), folder)
                    with suppress(Exception, SystemExit):
                        importlib.import_module(f"{package}.{path.partition('.')[0].replace(os.sep, '.')}")


_LEFT_OUT = frozenset({"__main__", "_testing", "conftest", "setup", "tests"})


def available() -> set[str]:
    """Return the top-level names of the imported modules that have a file, without the standard library's."""
    tops = {name for name, module in sys.modules.items() if "." not in name and getattr(module, "__spec__", None)}
    return tops - sys.stdlib_module_names - set(sys.builtin_module_names) - {"__main__"}


def versions(names: Collection[str]) -> dict[str, str]:
    """Return the versions of the distributions that these modules came with, "" for one that came with none."""
    ours = {name for name in names if alias.real_name(name).partition(".")[0] == OURS}
    found = {name: distribution.version for name, distribution in _distributions(set(names) - ours).items()}
    return {name: package_version() if name in ours else found.get(name, "") for name in sorted(names)}


def _distributions(names: Collection[str]) -> dict[str, metadata.Distribution]:
    """Return the distributions of modules: those of the same name, else those that list it among their files."""
    found = {}
    for name in names:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.distribution(name)
    if left := {name for name in names if name not in found and not name.startswith("_")}:
        for distribution in metadata.distributions():
            tops = {str(file).partition("/")[0].partition(".")[0] for file in distribution.files or ()}
            found.update(dict.fromkeys(tops & left, distribution))
    return found


def keep_files(packages: Collection[str]) -> None:
    """Keep the files that workers may read: modules of the standard library, time zones, and the files of packages."""
    KEPT.add_tree(STANDARD_LIBRARY, _NOT_KEPT)
    for folder in TZPATH:
        KEPT.add_tree(folder, {"posix", "right"})
    folders = [folder for name in packages for folder in getattr(sys.modules.get(name), "__path__", ())]
    for folder in folders:
        KEPT.add_tree(folder, _LEFT_OUT)
    keep_databases(folders)
    for distribution in _distributions(packages).values():
        if (about := getattr(distribution, "_path", None)) is not None:  # its folder, which `metadata` reads
            KEPT.add_tree(str(about))
            KEPT.add_name(str(about))


STANDARD_LIBRARY = os.path.dirname(os.__file__)
_NOT_KEPT = frozenset({"test", "tests", "idle_test", "site-packages", "dist-packages", "lib-dynload", "_bundled"})


def close_imports(packages: Collection[str]) -> None:
    """Restrict imports to loaded modules and those whose files are kept; others raise an error that says so."""
    installed = installed_modules(sys.path)
    keep_files(packages)
    KEPT.add_absence(STANDARD_LIBRARY)
    for path in sys.path:
        if os.path.basename(path) in ("site-packages", "dist-packages"):
            KEPT.add_absence(os.path.dirname(path))
    KEPT.serving = True
    explain_loaded()
    finder = MemoryFinder(KEPT, [STANDARD_LIBRARY], installed, explain)
    sys.meta_path[:] = [BuiltinImporter, FrozenImporter, finder]
    sys.path_importer_cache.clear()
