"""Answers that are there at once: what only reads of the own filesystem, where nobody has to be asked or waited for.

Whoever takes one runs it to its end before anything else happens in this process, so what is found here of the cluster
holds for the answer: it is the one that the operation's route would have come to. It begins nothing, and can be given
up; then the route answers.
"""

from __future__ import annotations

from ..filesystem.tree.find import find
from ..operations import Arguments, Context, Values, find_operation
from ..wire.answer import AtOnce
from ..wire.event import Unopened, packed
from .locate import Locator
from .paths import in_registry, normal

AT_ONCE = frozenset({"get", "getobject", "objects", "list", "versions"})

ALONE = frozenset({"list", "versions"})
"""Those of them in whose answers others may have a part, where there are any."""

OF_ENTRY = frozenset({"get", "getobject"})
"""Those whose answer, for the newest version, is said by the entry that is found, and where it is."""

KEPT, LARGEST, ROW = 4 << 20, 16 << 10, 500
"""Bytes of answers that are kept, and of one of them; and what one takes beside, about."""


class ReadsAtOnce:
    """Answers at once what a node can."""

    def __init__(self, locator: Locator) -> None:
        self._locator = locator
        self._volumes = locator.volumes
        self._filesystem = locator.filesystem
        capabilities = locator.filesystem.core.store.capabilities
        self._kept: dict[tuple[str, str, bytes | None], Unopened] = {}
        self._size = 0
        self._waits = capabilities.reads_wait or capabilities.many_writers

    def read(self, name: str, args: Values, context: Context) -> AtOnce | None:
        """The answer to an operation; None where it may be another one's, or has to be waited for."""
        if self._waits or context.transaction or self._volumes.pending:
            return None
        bound = find_operation(name).bind(args)
        if getattr(bound, "as_of", ""):
            return None
        if self._volumes.table is not None and (name in ALONE or not self._is_here(bound.path, context)):
            return None
        newest = name in OF_ENTRY and not bound.version
        answer = self._newest(name, bound, context) if newest else self._filesystem.read(name, bound, context)
        return self._packed(answer, bound.path, context)

    async def _newest(self, name: str, bound: Arguments, context: Context) -> object:
        """What is there now. It is kept in its bytes, by the entry, of which each version has another."""
        found = await find(self._filesystem.core, context, bound.path)
        key = name, found.directory, found.place.raw
        kept = self._kept.get(key)
        if kept is None:
            answer = packed(await self._filesystem.read(name, bound, context))
            if not isinstance(answer, Unopened) or len(answer.data) > LARGEST:
                return answer
            kept = self._kept[key] = answer
            self._size += len(answer.data) + ROW
            while self._size > KEPT:
                self._size -= len(self._kept.pop(next(iter(self._kept))).data) + ROW
        return kept

    async def _packed(self, answer: AtOnce, path: str, context: Context) -> object:
        """The answer in the bytes that it is sent in."""
        try:
            value = await answer
            return value if type(value) is Unopened else packed(value)
        finally:
            self._locator.near.saw(context, path)

    def _is_here(self, path: str, context: Context) -> bool:
        """Tell whether the own filesystem alone has what is at a path, now, and the caller may come there.

        That is not known while something of it moves, or when others must be asked for the way.
        """
        volumes, table = self._volumes, self._volumes.table
        return (
            table is not None
            and not in_registry(path)
            and table.volume_of(normal(path)).filesystem == volumes.own
            and not (volumes.given or volumes.taken or volumes.undecided.has(volumes.own))
            and self._locator.may_pass(path, context)
        )
