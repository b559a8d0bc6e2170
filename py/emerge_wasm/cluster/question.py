"""Questions to the cluster, who has these paths and uuids, and who holds what; their answers as they come in.

A question is broadcast, and answered directly; who has not answered after half of the time is asked directly, since a
broadcast may be lost. No sockets: how a node is asked is injected.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from ..errors import EmergeError, Invalid
from ..operations import Wire
from .peer import Identity, read_texts
from .times import PARTS

ASK_LIMIT = 10_000

AskAgain = Callable[[Identity], Awaitable[object]]
"""Ask one node directly -> its answer. Raises an EmergeError."""


@dataclass(slots=True)
class Holdings:
    """The nodes that hold each path, uuid and block that was found; `silent` are those that did not answer."""

    paths: dict[str, list[Identity]] = field(default_factory=dict)
    uuids: dict[str, list[Identity]] = field(default_factory=dict)
    blocks: dict[str, list[Identity]] = field(default_factory=dict)
    silent: list[Identity] = field(default_factory=list)

    def add(self, other: Holdings, asked: Sequence[Identity]) -> None:
        """Add the answers of nodes that were asked instead of the silent ones; some of them may be silent, too."""
        for found, more in ((self.paths, other.paths), (self.uuids, other.uuids), (self.blocks, other.blocks)):
            for name, holders in more.items():
                found.setdefault(name, []).extend(holders)
        answered = {each.filesystem for each in asked} - {each.filesystem for each in other.silent}
        self.silent = [identity for identity in self.silent if identity.filesystem not in answered]


class Question:
    """A question to some nodes, of which `answers` has those that came, by the node's uuid."""

    def __init__(self, asked: Sequence[Identity]) -> None:
        self.asked = list(asked)
        self.answers: dict[str, object] = {}
        self._excused: set[str] = set()
        self._settled = asyncio.Event()

    @property
    def silent(self) -> list[Identity]:
        """Those that have not answered."""
        return [identity for identity in self.asked if identity.uuid not in self.answers]

    def answer(self, uuid: str, answer: object) -> None:
        """Take the answer of one node, but no second one and none that nobody asked for."""
        if any(identity.uuid == uuid for identity in self.silent):
            self.answers[uuid] = answer
            self._settle()

    def excuse(self, uuid: str) -> None:
        """Wait no longer for the answer of a node that is gone."""
        self._excused.add(uuid)
        self._settle()

    async def wait(self, seconds: float, ask_again: AskAgain) -> None:
        """Wait for the answers that come in time.

        A process that stands still hears nobody, so the time is taken in parts, of which that costs one.
        """
        if await self._wait(seconds / 2):
            return
        again = [asyncio.ensure_future(self._ask_again(identity, ask_again)) for identity in self.silent]
        await self._wait(seconds)
        for each in again:
            each.cancel()

    def _settle(self) -> None:
        if all(identity.uuid in self._excused for identity in self.silent):
            self._settled.set()

    async def _wait(self, seconds: float) -> bool:
        for _ in range(PARTS):
            if self._settled.is_set():
                break
            waiting = asyncio.ensure_future(self._settled.wait())
            await asyncio.wait([waiting], timeout=seconds / PARTS)
            waiting.cancel()
        return self._settled.is_set()

    async def _ask_again(self, identity: Identity, ask: AskAgain) -> None:
        try:
            self.answer(identity.uuid, await ask(identity))
        except EmergeError:
            self.excuse(identity.uuid)


def holdings(question: Question) -> Holdings:
    """What the answers to "who has these" come to, and who gave none."""
    found = Holdings()
    for identity in sorted(question.asked, key=lambda each: (each.node, each.uuid)):
        try:
            held = read_held(question.answers.get(identity.uuid))
        except Invalid:  # none, or nonsense
            found.silent.append(identity)
            continue
        for known, names in zip((found.paths, found.uuids, found.blocks), held, strict=True):
            for name in names:
                known.setdefault(name, []).append(identity)
    return found


def read_held(answer: object) -> tuple[list[str], list[str], list[str]]:
    """Read (paths, uuids, blocks) from the wire; a node of an earlier release knows no blocks.

    Raises:
        Invalid: it is none.
    """
    rows: list[object] = list(answer) if isinstance(answer, (list, tuple)) and len(answer) in (2, 3) else [None, None]
    paths, uuids, blocks = (read_texts(each, ASK_LIMIT) for each in [*rows, []][:3])
    return paths, uuids, blocks


def shown(question: Question) -> tuple[list[tuple[Identity, Wire]], list[Identity]]:
    """What the answers to "show what you hold" come to, and who gave none."""
    given = [(each, answer) for each in question.asked if isinstance(answer := question.answers.get(each.uuid), dict)]
    return given, question.silent
