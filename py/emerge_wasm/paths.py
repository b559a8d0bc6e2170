"""Check and split paths. Pure functions on strings.

Names are any Unicode text in NFC, 1 to 255 characters and at most 960 bytes in UTF-8, without `/`, control characters
or lone surrogates; `.` and `..` are refused rather than resolved, so that a path always says where it points.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from .errors import Invalid

NAME_LIMIT = 255
BYTES_LIMIT = 960
"""Bytes of a name in UTF-8: with the 41 that the longest key of a name has besides, every engine can hold it."""
DEPTH_LIMIT = 64
NORMALISED = 4
"""Characters that NFC can make one of."""


def check_name(name: str) -> str:
    """Return the name in NFC. Raises Invalid, naming the fault, when it cannot be a name."""
    if not isinstance(name, str):
        raise Invalid(f"a name must be text, not {type(name).__name__}")
    shown = name if len(name) <= 40 else name[:37] + "…"
    if not name:
        raise Invalid("a name is empty", remedy="give every part of the path a name")
    if name in (".", ".."):
        raise Invalid(f"{name!r} is not a name", remedy="write the path out in full")
    if not name.isascii():
        name = unicodedata.normalize("NFC", name)
    if len(name) > NAME_LIMIT:
        raise Invalid(f"the name {shown!r} has {len(name)} characters", remedy=f"the limit is {NAME_LIMIT}")
    if len(name) > BYTES_LIMIT // 4 and len(name.encode(errors="replace")) > BYTES_LIMIT:
        size = len(name.encode(errors="replace"))
        raise Invalid(f"the name {shown!r} has {size} bytes in UTF-8", remedy=f"the limit is {BYTES_LIMIT}: shorten it")
    if "/" not in name and name.isprintable():
        return name
    for char in name:
        if char == "/" or unicodedata.category(char) in ("Cc", "Cs"):
            raise Invalid(f"the name {shown!r} holds the character U+{ord(char):04X}", remedy="remove it")
    return name


@lru_cache(maxsize=1024)
def _check_names(*names: str) -> tuple[str, ...]:
    """Return these names in NFC: those of a directory, with which many paths begin."""
    return tuple(check_name(name) for name in names)


@lru_cache(maxsize=4096)
def split_path(path: str) -> tuple[str, ...]:
    """Split an absolute path into names: `/` is (), `/a/b` is ("a", "b"). One trailing slash is allowed."""
    if not isinstance(path, str):
        raise Invalid(f"a path must be text, not {type(path).__name__}")
    if not path.startswith("/"):
        raise Invalid(f"the path {path[:80]!r} is not absolute", path=path, remedy="begin it with /")
    if path == "/":
        return ()
    names = path[1:].removesuffix("/").split("/")
    if len(names) > DEPTH_LIMIT:
        raise Invalid(f"the path is {len(names)} levels deep", path=path[:200], remedy=f"the limit is {DEPTH_LIMIT}")
    try:
        return (*_check_names(*names[:-1]), check_name(names[-1]))
    except Invalid as error:
        raise Invalid(f"{error.message}, in the path {path[:80]!r}", path=path[:200], remedy=error.remedy) from None


def split_properties(path: str) -> list[tuple[str, list[str]]]:
    """Return every split of a path into an object's path and properties, longest name first: names may hold dots.

    The limits of a name hold for the name alone, whatever properties follow. Raises Invalid when no split is a path.
    """
    if not isinstance(path, str) or not path.strip("/") or not path.startswith("/"):
        split_path(path)
        return [(path, [])]
    directory, _, last = path.removesuffix("/").rpartition("/")
    above = split_path(directory + "/")
    parts = last.split(".")
    first = max((number for number, part in enumerate(parts, 1) if not part), default=1)  # a property has a name
    found: list[tuple[str, list[str]]] = []
    for cut in range(first, len(parts) + 1):
        name = ".".join(parts[:cut])
        if len(name) > NORMALISED * NAME_LIMIT:
            break
        if _is_name(name):
            found.append((join_path(*above, name), parts[cut:]))
    if not found:
        split_path(f"{directory}/{'.'.join(parts[:first])}")  # says what is wrong with the shortest
    return found[::-1]


def _is_name(name: str) -> bool:
    try:
        check_name(name)
    except Invalid:
        return False
    return True


def join_path(*names: str) -> str:
    """Return the absolute path of these (already checked) names."""
    return "/" + "/".join(names)


def child_path(directory: str, name: str) -> str:
    """Return the path of `name` in `directory`."""
    return directory.rstrip("/") + "/" + name
