"""Which wheels a browser's Python can use, by their names, and what is in one. No I/O but the given archive."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from email.parser import HeaderParser
from typing import BinaryIO, NamedTuple

from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import InvalidWheelFilename, NormalizedName, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

METADATA_LIMIT = 4 << 20
CODE = (".py", ".so", ".pyc")


class BrowserPython(NamedTuple):
    """The Python of the page: its version, and the year and number of Emscripten's interface as wheels name it."""

    major: int = 3
    minor: int = 14
    abi: str = "2026_0"

    def tags(self) -> frozenset[Tag]:
        version, platform = (self.major, self.minor), [f"pyemscripten_{self.abi}_wasm32"]
        interpreter = f"cp{self.major}{self.minor}"
        native = cpython_tags(version, abis=[interpreter], platforms=platform)
        return frozenset([*native, *compatible_tags(version, interpreter, platform)])


class WheelName(NamedTuple):
    """What the name of a wheel says."""

    name: NormalizedName
    version: Version
    tags: frozenset[Tag]


class WheelContents(NamedTuple):
    """What is in a wheel: its METADATA, and the names by which it is imported."""

    metadata: bytes
    imports: tuple[str, ...]
    requires_python: str


def parse_wheel(filename: str) -> WheelName | None:
    """Read a wheel's name; None for any other file."""
    try:
        name, version, _, tags = parse_wheel_filename(filename)
    except (InvalidWheelFilename, InvalidVersion):
        return None
    return WheelName(name, version, tags)


def is_name(name: str) -> bool:
    """Whether this can be the normalised name of a package."""
    plain = name.replace("-", "").isascii() and name.replace("-", "").isalnum()
    return plain and len(name) <= 128 and canonicalize_name(name) == name


def read_wheel(file: BinaryIO) -> WheelContents:
    """Look into a wheel.

    Raises:
        ValueError: it is none.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            path = next((name for name in names if name.count("/") == 1 and name.endswith(".dist-info/METADATA")), None)
            if path is None or archive.getinfo(path).file_size > METADATA_LIMIT:
                raise ValueError("it has no METADATA of a sensible size")
            metadata = archive.read(path)
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"it is no zip archive: {error}") from None
    fields = HeaderParser().parsestr(metadata.decode("utf-8", "replace"), headersonly=True)
    return WheelContents(metadata, imports_of(names), str(fields.get("Requires-Python", "")))


def imports_of(names: Iterable[str]) -> tuple[str, ...]:
    """The top-level modules among the files of a wheel."""
    found = set()
    for name in names:
        top, _, rest = name.partition("/")
        if top.endswith(".data") or top.endswith(".dist-info") or not name.endswith(CODE):
            continue
        module = top if rest else top.partition(".")[0]
        if module.isidentifier():
            found.add(module)
    return tuple(sorted(found))
