"""Asks the user before code runs that this browser has not run before: once for each class version, with its source.

Viewing an object needs no consent, nor does code that the user ran himself: that of a class which the console has. The
page remembers answers (web/app/state/consent.svelte.ts) and repeats them for the user.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

from ...bundles import parse, source_of
from ...bundles.resolution import own_hashes
from ...clients.class_loader import Bundles
from ...clients.client import Client
from ...clients.operations import WhoseCode
from ...clients.trust import CONFINED
from ...errors import EmergeError, PermissionDenied
from ...objects import Pointer
from ...operations import Transport
from ...results import AuthorMap
from ..protocol.event import AnsweredEvent, KnownEvent, QuestionEvent
from ..protocol.option import PlaceName
from ..protocol.view import ConsentQuestion

T = TypeVar("T")

HERE: Literal["tab"] = "tab"
CLOSED: Literal["worker"] = "worker"
CodePlace = Literal["tab", "worker"]
"""Where code runs: in the tab itself, or in a guest worker."""

Told = Mapping[str, object]
"""The wire map of a pointer, or the known part of it."""

AuthorsOf = Callable[[PlaceName, list[str]], Awaitable[AuthorMap]]
"""Asks a place who stands for bundles."""


@dataclass(slots=True)
class OpenQuestion:
    """An unanswered question, and those that wait for its answer."""

    number: int
    answer: asyncio.Future[bool]
    waiting: int = 0


class Consent:
    """The bundles that may run here, by hash. `always` are the keys that the page remembers: `+hash` for bundles that
    may run in the tab itself, `hash` for those that may run only in a guest worker."""

    def __init__(
        self,
        send: Callable[[QuestionEvent | AnsweredEvent | KnownEvent], object],
        always: Iterable[str] = (),
        authors: AuthorsOf | None = None,
    ) -> None:
        self._send = send
        self._authors = authors
        always = list(always)
        self._known: dict[CodePlace, set[str]] = {
            CLOSED: {key.removeprefix("+") for key in always},
            HERE: {key.removeprefix("+") for key in always if key.startswith("+")},
        }
        self._questions: dict[tuple[CodePlace, frozenset[str]], OpenQuestion] = {}
        self._last = 0

    def know(self, hashes: Iterable[str]) -> None:
        """Allow code that was written in this tab."""
        fresh = set(hashes) - self._known[HERE]
        if fresh:
            self.allow(fresh, HERE)
            self._send({"event": "known", "bundles": [f"+{hash}" for hash in sorted(fresh)]})

    def allow(self, hashes: Iterable[str], place: CodePlace) -> None:
        """Allow code at a place. Code allowed in the tab is allowed in a guest worker too, but not vice versa."""
        self._known[CLOSED].update(hashes)
        if place == HERE:
            self._known[HERE].update(hashes)

    def allows(self, hash: str, place: CodePlace) -> bool:
        return hash in self._known[place]

    async def ask(
        self,
        pointer: Told,
        bundles: dict[str, bytes],
        place: CodePlace,
        where: PlaceName,
        among: Iterable[str] | None = None,
    ) -> None:
        """Return when all these bundles may run, or those `among` them.

        Raises:
            PermissionDenied: the user said no.
        """
        unknown = {hash for hash in (bundles if among is None else among) if not self.allows(hash, place)}
        if unknown:
            own = own_hashes(unknown, bundles.get)
            self.know(own)
            unknown -= own
        if not unknown:
            return
        authors = await self._names(pointer, unknown, where)
        asked = (place, frozenset(unknown))
        if asked not in self._questions:
            if all(self.allows(hash, place) for hash in unknown):
                return  # it was answered meanwhile
            self._last += 1
            said = _question(self._last, pointer, unknown, bundles, place, where, authors)
            self._send({"event": "question", "question": said})
            self._questions[asked] = OpenQuestion(self._last, asyncio.get_running_loop().create_future())
        question = self._questions[asked]
        question.waiting += 1
        try:
            if not await asyncio.shield(question.answer):
                raise PermissionDenied(
                    f"you did not let {_name(pointer)} run here",
                    path=_path(pointer),
                    remedy="run it again and answer Run; run(path, method) runs it where it lives",
                )
        finally:
            question.waiting -= 1
            if not question.waiting:  # no call waits for it any more
                self._questions.pop(asked, None)
                self._send({"event": "answered", "question": question.number})
        self.allow(unknown, place)

    async def _names(self, pointer: Told, unknown: set[str], where: PlaceName) -> list[str]:
        """Who stands for the code, by name, as far as the place says."""
        if self._authors is None:
            return []
        main = str(pointer.get("bundle", ""))
        try:
            found = await self._authors(where, [main] if main in unknown else sorted(unknown))
        except EmergeError:  # it is away, or of an earlier release
            return []
        return sorted({row["principal"] for rows in found.values() for row in rows})

    def answer(self, number: int, run: bool) -> None:
        """Take the user's answer; ignore it if no call waits for it any more."""
        for question in self._questions.values():
            if question.number == number and not question.answer.done():
                question.answer.set_result(run)


def _question(
    number: int,
    pointer: Told,
    unknown: set[str],
    bundles: dict[str, bytes],
    place: CodePlace,
    where: PlaceName,
    authors: list[str],
) -> ConsentQuestion:
    main = str(pointer.get("bundle", ""))
    order = sorted(unknown, key=lambda hash: hash != main)
    return {
        "id": number,
        "class_name": _name(pointer),
        "bundle": main if main in unknown else order[0],
        "keys": sorted(f"+{hash}" if place == HERE else hash for hash in unknown),
        "owner": str(pointer.get("owner", "")),
        "authors": authors,
        "path": _path(pointer),
        "where": where,
        "place": place,
        "source": "\n\n".join(_source(hash, bundles) for hash in order),
    }


def _source(hash: str, bundles: dict[str, bytes]) -> str:
    try:
        return source_of(parse(bundles[hash], hash), bundles.get)
    except EmergeError as error:
        return f"# its source cannot be shown: {error.message}"


def _name(pointer: Told) -> str:
    return str(pointer.get("class_name", "")).rpartition(".")[2] or "an expression"


def _path(pointer: Told) -> str:
    directory, name = str(pointer.get("path", "")), str(pointer.get("name", ""))
    return f"{directory.rstrip('/')}/{name}" if name else directory


class CodeConsent(Protocol):
    """What `AskingClient` needs of the consent to run code: see `Consent`."""

    def know(self, hashes: Iterable[str]) -> None: ...

    async def ask(self, pointer: Told, bundles: dict[str, bytes], place: CodePlace, where: PlaceName) -> None: ...


class AskingClient(Client):
    """A Client that asks the user before it loads a class into this tab. `reader` fetches bundles for it."""

    def __init__(self, transport: Transport, consent: CodeConsent, reader: Client, where: PlaceName) -> None:
        super().__init__(transport)
        self.trusted = CONFINED  # the user is asked instead
        self._consent = consent
        self._reader = reader
        self._where: PlaceName = where
        self._about: Pointer | None = None  # of the object that is being unpacked

    async def load_class(self, pointer: Pointer, code: WhoseCode = "stored") -> type:
        self._about = pointer
        return await super().load_class(pointer, code)

    async def fetch_bundles(self, hash: str) -> dict[str, bytes]:
        """Fetch a bundle and all it requires, after the user's consent: without it this client must not have them."""
        about: Told = {"bundle": hash} if self._about is None else self._about.to_wire()
        found = await self._reader.fetch_bundles(hash)
        await self._consent.ask(about, found, HERE, self._where)
        self._bundles |= found
        return found

    async def _send(self, send: Callable[[Bundles], Awaitable[T]], bundles: Bundles) -> T:
        """Send bundles and allow them: they were written or loaded here."""
        self._consent.know(bundles)
        return await super()._send(send, bundles)
