"""The tokens of principals, kept hashed in a file of the relay's data folder.

The command line writes the file, and a running relay reads it again when it has changed. Only the standard library.
"""

from __future__ import annotations

import getpass
import hashlib
import logging
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ..errors import Invalid, NotFound, Unavailable
from ..operations import Wire
from .private_rows import PrivateRows

log = logging.getLogger("emerge.relay")

FILE_NAME = "tokens.json"
NAME_LIMIT = 255
HOUR = 3600.0
DAY = 24 * HOUR


@dataclass(frozen=True, slots=True)
class Token:
    """What is kept of a token: `id` names it in sessions, `hash` is that of its text.

    `made` and `expires` are in seconds since 1970; `expires` 0 means never. `link` is the hash of the text of a link
    that opens one browser, until `link_expires`; "" when there is none, or it was used.
    """

    id: str
    principal: str
    groups: tuple[str, ...]
    hash: str
    made: float
    expires: float = 0.0
    link: str = ""
    link_expires: float = 0.0

    def is_valid(self, now: float) -> bool:
        return not self.expires or now < self.expires


class Tokens:
    """The tokens in a folder, one for each principal. `clock` gives the seconds since 1970."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._rows = PrivateRows(folder / FILE_NAME, "tokens", "remove it, and add the tokens anew")
        self._by_id: dict[str, Token] = {}
        self._by_hash: dict[str, Token] = {}
        self._by_link: dict[str, Token] = {}

    def add(self, principal: str, groups: Iterable[str] = (), days: float = 0.0) -> str:
        """Make a token for `days` (0: for good), and return its text, which is not kept.

        Raises:
            Invalid: the principal has a token already or is the operator, or a name or the days make no sense.
        """
        if principal in _operators():
            raise Invalid(
                f"{principal} is who runs this relay: with that name, one would be taken for its operator",
                remedy="give the token another name; the operator needs none",
            )
        for name in (principal, *groups):
            if not 0 < len(name) <= NAME_LIMIT or not name.isprintable():
                raise Invalid(f"{name[:40]!r} cannot be a principal or group", remedy="give it a printable name")
        if days < 0:
            raise Invalid(f"a token cannot last {days:g} days", remedy="give a positive number")
        with self._rows.alone():
            if any(token.principal == principal for token in self.all()):
                raise Invalid(f"{principal} has a token", remedy=f"remove it first: emerge token rm {principal}")
            text = secrets.token_urlsafe(32)
            now = self._clock()
            fresh = Token(secrets.token_hex(8), principal, tuple(groups), _hash(text), now, days and now + days * DAY)
            self._write([*self.all(), fresh])
        return text

    def link(self, principal: str, hours: float = 24.0) -> str:
        """Make the text of a link that opens one browser as a principal within so many hours; an earlier one ends.

        Raises:
            NotFound: they have no token.
            Invalid: the hours make no sense.
        """
        if hours <= 0:
            raise Invalid(f"a link cannot last {hours:g} hours", remedy="give a positive number")
        with self._rows.alone():
            mine = next((token for token in self.all() if token.principal == principal), None)
            if mine is None:
                raise _no_token(principal)
            text = secrets.token_urlsafe(32)
            until = self._clock() + hours * HOUR
            self._put(replace(mine, link=_hash(text), link_expires=until))
        return text

    def linked(self, text: str) -> Token | None:
        """Find the valid token whose link has that text; the link is not used by this."""
        found = self._valid(lambda: self._by_link.get(_hash(text)))
        return found if found is not None and self._clock() < found.link_expires else None

    def use_link(self, text: str) -> Token | None:
        """Find the same, and use the link up."""
        with self._rows.alone():
            found = self.linked(text)
            if found is not None:
                self._put(replace(found, link="", link_expires=0.0))
        return found

    def remove(self, principal: str) -> None:
        """Remove the token of a principal; its sessions end.

        Raises:
            NotFound: they have none.
        """
        with self._rows.alone():
            rest = [token for token in self.all() if token.principal != principal]
            if len(rest) == len(self.all()):
                raise _no_token(principal)
            self._write(rest)

    def all(self) -> list[Token]:
        """Return every token, expired ones too."""
        self._refresh()
        return list(self._by_id.values())

    def shown(self, text: str) -> Token | None:
        """Find the valid token with that text."""
        return self._valid(lambda: self._by_hash.get(_hash(text)))

    def known(self, id: str) -> Token | None:
        """Find the valid token of that id, as it is now."""
        return self._valid(lambda: self._by_id.get(id))

    def _valid(self, look: Callable[[], Token | None]) -> Token | None:
        try:
            self._refresh()
        except Unavailable as error:
            log.warning("nobody is let in by token: %s", error)
            return None
        token = look()
        return token if token is not None and token.is_valid(self._clock()) else None

    def stamp(self) -> object:
        """What is another when the tokens are."""
        return self._rows.stamp()

    def _refresh(self) -> None:
        self._rows.read(self._take)

    def _take(self, rows: list[Wire]) -> None:
        tokens = [Token(**{**row, "groups": tuple(row["groups"])}) for row in rows]
        self._by_id = {token.id: token for token in tokens}
        self._by_hash = {token.hash: token for token in tokens}
        self._by_link = {token.link: token for token in tokens if token.link}

    def _put(self, changed: Token) -> None:
        self._write([changed if token.id == changed.id else token for token in self.all()])

    def _write(self, tokens: list[Token]) -> None:
        self._rows.write([asdict(token) for token in tokens])


def _no_token(principal: str) -> NotFound:
    return NotFound(f"{principal} has no token", remedy="emerge token ls shows who has")


def _operators() -> set[str]:
    """Return the names that objects of a node's operator have: that of this process's user, and root."""
    try:
        return {"root", getpass.getuser()}
    except (OSError, KeyError):
        return {"root"}


def _hash(text: str) -> str:
    """Hash a token's text. Plain SHA-256 does: with 256 random bits there is nothing to guess."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
