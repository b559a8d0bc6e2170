"""Which browsers are signed in: kept in a file of the relay's data folder, so that each can be listed and ended.

A session's cookie is signed, and good while its session stands here. The command line ends sessions in the file, and a
running relay notices. Only the standard library.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import time
from collections.abc import Callable, Container, Iterable, Set
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypedDict

from ..errors import NotFound, Unavailable
from ..operations import Wire
from .private_rows import PrivateRows
from .token import Tokens

log = logging.getLogger("emerge.relay")

FILE_NAME = "sessions.json"
SESSION_SECONDS = 30 * 86400.0
ID = 10
"""Letters of a session's id."""

SEEN_SECONDS = 600.0
"""How exactly it is kept when a session was last seen."""

BROWSER_LIMIT = 120
"""Characters that are kept of what a browser calls itself."""


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """One browser that is signed in: `token` is the id of its principal's ("": the operator's); when that was, and when
    it was last seen, in seconds since 1970; `browser` is what it calls itself."""

    id: str
    token: str
    made: float
    seen: float
    browser: str


class SessionRow(TypedDict):
    """A browser that is signed in: since when, and when it was last seen, some minutes exactly (ISO 8601, UTC).
    `principal` is "" for the operator; `this`: the one that asks."""

    id: str
    principal: str
    browser: str
    since: str
    seen: str
    this: bool


class SessionRecords:
    """The sessions in a folder. One is over `lifetime` seconds after it began. `clock` gives the seconds since 1970."""

    def __init__(self, folder: Path, lifetime: float = SESSION_SECONDS, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lifetime = lifetime
        self._rows = PrivateRows(folder / FILE_NAME, "sessions", "remove it, and sign in anew")
        self._by_id: dict[str, SessionRecord] = {}

    def begin(self, token: str, browser: str) -> str:
        """Note that a browser was signed in, and return the text that its cookie is to have.

        Raises:
            Unavailable: it cannot be kept.
        """
        text, now = secrets.token_urlsafe(24), self._clock()
        fresh = SessionRecord(session_id(text), token, now, now, browser[:BROWSER_LIMIT])
        with self._rows.alone():
            self._write([*self.all(), fresh])
        return text

    def known(self, id: str) -> SessionRecord | None:
        """Find the session of that id, unless it is over."""
        try:
            self._refresh()
        except Unavailable as error:
            log.warning("no browser is signed in: %s", error)
            return None
        found = self._by_id.get(id)
        return found if found is not None and self._stands(found) else None

    def stamp(self) -> object:
        """What is another when sessions began or were ended."""
        return self._rows.stamp()

    def see(self, ids: Set[str]) -> None:
        """Note that sessions are in use, if that was not noted lately of one of them."""
        try:
            if all(self._clock() < each.seen + SEEN_SECONDS for each in self.all() if each.id in ids):
                return
            with self._rows.alone():
                now = self._clock()
                self._write([replace(each, seen=now) if each.id in ids else each for each in self.all()])
        except Unavailable as error:
            log.warning("%s", error)

    def all(self) -> list[SessionRecord]:
        """Return the sessions that are not over, the newest last.

        Raises:
            Unavailable: the file is no such file.
        """
        self._refresh()
        return [each for each in self._by_id.values() if self._stands(each)]

    def end(self, ids: Container[str]) -> list[str]:
        """End those of these ids that there are, and return which.

        Raises:
            Unavailable: that cannot be written.
        """
        with self._rows.alone():
            there = self.all()
            ended = [each.id for each in there if each.id in ids]
            if ended:
                self._write([each for each in there if each.id not in ids])
        return ended

    def find(self, start: str) -> SessionRecord:
        """Find the one session whose id begins so.

        Raises:
            NotFound: there is none, or there are several.
        """
        found = [each for each in self.all() if start and each.id.startswith(start)]
        if len(found) != 1:
            many = "several sessions" if found else "no session"
            raise NotFound(
                f"{many} {'have' if found else 'has'} the id {start}", remedy="emerge session list shows them"
            )
        return found[0]

    def _stands(self, session: SessionRecord) -> bool:
        return self._clock() < session.made + self._lifetime

    def _refresh(self) -> None:
        self._rows.read(self._take)

    def _take(self, rows: list[Wire]) -> None:
        self._by_id = {row["id"]: SessionRecord(**row) for row in rows}

    def _write(self, sessions: Iterable[SessionRecord]) -> None:
        self._rows.write([asdict(each) for each in sessions])


def session_id(text: str) -> str:
    """Return the id of a session by its cookie's text, which nobody could make of it."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:ID]


def session_rows(records: SessionRecords, tokens: Tokens, token: str | None = None, this: str = "") -> list[SessionRow]:
    """List the sessions of a token by its id, or of all (None): the newest first. `this` is the id of who asks.

    Raises:
        Unavailable: the files are no such files.
    """
    names = {each.id: each.principal for each in tokens.all()}
    return [
        {
            "id": each.id,
            "principal": names.get(each.token, ""),
            "browser": each.browser,
            "since": _date(each.made),
            "seen": _date(each.seen),
            "this": each.id == this,
        }
        for each in reversed(records.all())
        if (each.token in names or not each.token) and token in (None, each.token)
    ]


def _date(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
