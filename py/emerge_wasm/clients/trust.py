"""Whose classes may run in this process: the caller's own, and those of whom the user of this machine trusts.

A class body runs with all that the program's user may do, so the text of somebody else's is not run unasked; what is
stored with it comes as a `StateRecord`. The user's list is a file, as with ssh's known hosts: `emerge trust` writes it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from ..errors import Invalid, PermissionDenied
from ..private_file import replace_private
from ..results import AuthorRow, PrincipalInfo

FILE_NAME = "trusted"
EVERYBODY = "*"
_GROUP = "@"
_HASH = re.compile(r"[0-9a-f]{64}")


class TrustEntry(NamedTuple):
    """Who is trusted, and where they have that name: a principal, "@" and a group, "*"; or the hash of a class, which
    means the same everywhere."""

    who: str
    place: str

    def __str__(self) -> str:
        return f"{self.who} {self.place}".rstrip()


class Trust:
    """Who may have classes loaded into this process by one connection.

    `place` is the address that the connection was made to: names mean somebody only there. With `everybody`, nothing is
    refused: for a process that is confined.
    """

    def __init__(self, place: str = "", *, everybody: bool = False) -> None:
        self.places = places_of(place)
        self._everybody = everybody
        self._own: set[str] = set()  # what this program has said
        self._listed: set[str] | None = None  # what the user's file says

    def add(self, *who: str) -> None:
        """Trust these until the connection ends: names, "@" and a group, "*", or hashes of classes."""
        self._own.update(map(check_who, who))

    def has(self, hash: str, authors: Iterable[AuthorRow], me: PrincipalInfo) -> bool:
        """Tell whether a class may be loaded, by the authors that stand for it."""
        if self._everybody:
            return True
        if self._listed is None:
            self._listed = {each.who for each in read_trusted() if not each.place or each.place in self.places}
        trusted = self._own | self._listed
        if not trusted.isdisjoint((hash, EVERYBODY)):
            return True
        known = bool(me["principal"]) or me["superuser"]  # guests without a name are not each other
        return any(
            (known and row["principal"] == me["principal"])
            or (row["principal"] in trusted and _is_name(row["principal"]))
            or not trusted.isdisjoint(_GROUP + group for group in row["groups"])
            for row in authors
        )

    def renew(self) -> None:
        """Read the user's list again when it is next needed."""
        self._listed = None


def places_of(address: str) -> tuple[str, ...]:
    """Return the places that an address names: one for each of the nodes in it, without keys."""
    return tuple(each.partition("?")[0].rstrip("/").lower() for each in address.split(",")) if address else ("",)


def _is_name(principal: str) -> bool:
    """Tell whether a principal is not called as what else can be trusted is: a group, everybody or a class."""
    return not (principal.startswith(_GROUP) or principal == EVERYBODY or _HASH.fullmatch(principal))


def check_who(who: str) -> str:
    """Return whom to trust. Raises Invalid for what can be no name, group or hash."""
    if not who or who == _GROUP or not who.isprintable() or " " in who or len(who) > 255:
        raise Invalid(f"{who[:40]!r} is nobody's name", remedy="a name, @GROUP, * for everybody, or a class's hash")
    return who


def trusted_file() -> Path | None:
    """Return where the user's list is; None where users have no files of their own, as in a browser."""
    try:
        config = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    except RuntimeError:
        return None
    return Path(config) / "emerge" / FILE_NAME


def read_trusted() -> list[TrustEntry]:
    """Return the user's list.

    Raises:
        PermissionDenied: others can write the file.
    """
    path = trusted_file()
    try:
        if path is None or not (text := path.read_text("utf-8")):
            return []
        if os.name == "posix" and path.stat().st_mode & 0o022:
            raise PermissionDenied(f"others can write {path}", remedy=f"look at it, then chmod 600 {path}")
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [TrustEntry(who, place.strip()) for who, _, place in _rows(text)]


def _rows(text: str) -> Iterator[tuple[str, str, str]]:
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            yield line.strip().partition(" ")


def write_trusted(entries: Iterable[TrustEntry]) -> None:
    """Replace the user's list, in a file that only the user can read and write."""
    path = trusted_file()
    if path is None:
        raise Invalid("there is no home directory to keep the list in", remedy="set XDG_CONFIG_HOME, or use fs.trust")
    replace_private(path, "".join(f"{each}\n" for each in entries).encode())


def entries_for(who: Iterable[str], address: str) -> list[TrustEntry]:
    """Return the entries of a list that trust these at an address: a hash everywhere."""
    return [
        TrustEntry(name, place)
        for name in map(check_who, who)
        for place in (("",) if _HASH.fullmatch(name) else places_of(address))
    ]


CONFINED = Trust(everybody=True)
"""For a process that can do no harm, or where the user is asked."""
