"""Moves whose target is asked to decide: until its answer is here, nobody may be told that things are where they were.

Who asks for what is on its way waits for a moment. When the answer does not come, as the target is away, it is
Unavailable, and lists leave it out and say so; all that is beside it is answered as ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Iterable, Sequence
from typing import NamedTuple, cast

from ..errors import NotFound, Unavailable
from ..filesystem import Filesystem
from ..filesystem.core import Core
from ..filesystem.handover.departure import ASKED, Intent, intents
from ..filesystem.tree.find import locate
from ..operations import Wire
from ..paths import join_path, split_path
from .omission import ITEMS, OMITTING, IsOmitted, omit, omit_item, take_from_count
from .paths import SUBTREES, bound_call, in_registry, normal, paths_of

PATIENCE = 3.0
"""Seconds since it was asked that a decision is waited for."""

HOLDER_SECONDS = 0.3
"""How long who asks what is where waits: others answer them, too."""

POLL_SECONDS = 0.05
"""Between looks at moves that another process of the same store makes."""

SHOWING = SUBTREES | {
    "list",
    "dir",
    "objects",
    "references",
    "run",
    "runstream",
    "readobject",
    "cp",
    "_copied",
    "_back",
}
"""What tells of all that is in a directory, or below it."""

EXEMPT = frozenset({"watch", "changes", "classes", "authors", "_run_part", "_evaluate_part", "_way", "_history"})
"""What says of nothing where it is now."""


class UndecidedMove(NamedTuple):
    """A move from a path, and the filesystem that decides; `asked` at this moment of the event loop's clock."""

    source: str
    target: str
    asked: float


class UndecidedMoves:
    """Those of the filesystems that a node serves. `name` answers the name of a filesystem's node."""

    def __init__(self, name: Callable[[str], str]) -> None:
        self._name = name
        self._moves: dict[str, dict[bytes, UndecidedMove]] = {}
        self._changed = asyncio.Event()
        self.patience = PATIENCE

    def note(self, filesystem: str, intent: Intent) -> None:
        """The target of a move is asked from now on. One by which a path stays has one name in any case."""
        if not intent.mount:
            move = UndecidedMove(intent.source, intent.filesystem, asyncio.get_running_loop().time())
            self._moves.setdefault(filesystem, {}).setdefault(intent.id, move)

    def end(self, filesystem: str, id: bytes) -> None:
        """What became of a move shows in the filesystem."""
        moves = self._moves.get(filesystem, {})
        if moves.pop(id, None) is not None:
            if not moves:
                del self._moves[filesystem]
            self._changed.set()
            self._changed = asyncio.Event()

    async def review(self, core: Core, active: Collection[bytes] = ()) -> None:
        """Learn from the store what is undecided, save of those that are `active` here."""
        asked = {each.id: each for each in await intents(core) if each.state == ASKED}
        for id in [id for id in self._moves.get(core.uuid, ()) if id not in asked and id not in active]:
            self.end(core.uuid, id)
        for intent in asked.values():
            if intent.id not in active:
                self.note(core.uuid, intent)

    def has(self, filesystem: str) -> bool:
        """Tell whether something of a filesystem is undecided."""
        return filesystem in self._moves

    async def check(self, filesystem: str) -> Callable[[str], None]:
        """What checks of a path, after a short wait, that it is known whether something is there.

        It raises Unavailable.
        """
        if self.has(filesystem):
            await self._wait(min(HOLDER_SECONDS, self.patience))
        moves = [*self._of(filesystem)]

        def check(path: str) -> None:
            for move in moves:
                if _is_at(path, move.source):
                    raise self._unknown(move)

        return check

    def _of(self, filesystem: str) -> Iterable[UndecidedMove]:
        return self._moves.get(filesystem, {}).values()

    async def settle(
        self, local: Filesystem, name: str, args: Sequence[object], *, shared: bool = False
    ) -> list[UndecidedMove]:
        """Wait until a call can be answered; the moves of what its answer must leave out.

        `shared`: other processes move things in the same store.

        Raises:
            Unavailable: it is about something of which the target has not said whether it is there.
        """
        clock = asyncio.get_running_loop().time
        named = [] if name in EXEMPT else await _named(local.core, name, args)
        while True:
            if shared:
                await self.review(local.core)
            found = [move for move in self._of(local.uuid) if _concerns(move.source, name, named)]
            young = max((move.asked + self.patience - clock() for move in found), default=0.0)
            if young <= 0:
                break
            await self._wait(min(young, POLL_SECONDS) if shared else young)
        for move in found:
            if name not in OMITTING | ITEMS or any(_is_at(path, move.source) for path in named):
                raise self._unknown(move)
        return found

    async def _wait(self, seconds: float) -> None:
        changed = self._changed
        try:
            async with asyncio.timeout(seconds):
                await changed.wait()
        except TimeoutError:
            return

    def _unknown(self, move: UndecidedMove) -> Unavailable:
        node = self._name(move.target)
        return Unavailable(
            f"whether {move.source} was moved is known when node {node} says so, which is out of reach",
            path=move.source,
            remedy=f"start node {node} again, or look where it is when that is back",
            missing=[node],
            undecided=True,
        )

    async def leave_out(
        self, answer: object, moves: Sequence[UndecidedMove], count: Callable[[str], Awaitable[Wire | None]]
    ) -> object:
        """Take out of an answer what is on its way, and say who knows of it; `count` counts what is at a path."""
        if not moves or not isinstance(answer, dict):
            return answer
        is_omitted, changed = _any_at(moves), False
        if "count" in answer and "scanned" in answer:
            for move in moves:
                if (part := await count(move.source)) is not None:
                    answer, some = take_from_count(answer, part, is_omitted)
                    changed = changed or some
        else:
            answer, changed = omit(answer, is_omitted)
        return {**answer, "missing": self._missing(answer, moves)} if changed else answer

    async def leave_out_items(
        self, items: AsyncIterator[object], moves: Sequence[UndecidedMove]
    ) -> AsyncGenerator[object, None]:
        """Take it out of the items of a stream. A tree ends with Unavailable then, columns with the names of nodes."""
        is_omitted, changed, told = _any_at(moves), False, False
        async for item in items:
            kept, some = omit_item(cast(Wire, item), is_omitted)
            changed = changed or some
            if kept is not None:
                told = changed and "scanned" in kept
                yield {**kept, "missing": self._missing(kept, moves)} if told else kept
        if changed and not told:
            raise self._unknown(moves[0])

    def _missing(self, answer: Wire, moves: Sequence[UndecidedMove]) -> list[str]:
        return sorted({*answer.get("missing", ()), *(self._name(move.target) for move in moves)})


async def _named(core: Core, name: str, args: Sequence[object]) -> list[str]:
    """The paths that a call is about; of what is named by its uuid, the path that it has."""
    call = bound_call(name, args)
    if name == "_back":
        return ["/"]
    if name.startswith("_"):
        return [normal(call.path)]
    named: list[str] = []
    for path in paths_of(name, call):
        if not in_registry(path):
            named.append(normal(path))
        elif len(split_path(path)) == 1:
            named.append("/")
        else:
            named += await _by_uuid(core, split_path(path)[1])
    return named


async def _by_uuid(core: Core, uuid: str) -> list[str]:
    try:
        return [join_path(*await locate(core, bytes.fromhex(uuid.partition(".")[0])))]
    except (NotFound, ValueError):
        return []


def _concerns(source: str, name: str, named: Sequence[str]) -> bool:
    """Tell whether an answer about some paths would say where something is that was at `source`."""
    shown = named[:1] if name in SHOWING else ()
    return any(_is_at(path, source) for path in named) or any(_is_at(source, path) for path in shown)


def _is_at(path: str, top: str) -> bool:
    return path == top or top == "/" or path.startswith(top + "/")


def _any_at(moves: Sequence[UndecidedMove]) -> IsOmitted:
    return lambda path: any(_is_at(path, move.source) for move in moves)
