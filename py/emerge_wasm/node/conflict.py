"""What only one filesystem has of a volume, kept in the tree of the cluster: `/nodes/NAME/conflicts/EPOCH/…`.

Each object gets a uuid of its own there, and the state, class, owner and rights that it had last. Keeping it again
changes nothing, so whoever is interrupted begins anew.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence, Set

from ..cluster.volume import NODES, MountTable
from ..codec import bundles_in
from ..errors import Invalid, NotFound
from ..filesystem import Filesystem
from ..filesystem.core import Core
from ..filesystem.layout.record import VersionRecord
from ..filesystem.tree.find import locate
from ..filesystem.tree.load import load_state
from ..objects import BLOB
from ..operations import Dispatch
from ..paths import child_path, join_path, split_path
from ..replication.history import Known
from ..replication.leader import read_parts, required_bundles
from ..replication.message import PAGE_RECORDS
from .conflict_file import put_again
from .paths import REGISTRY
from .volumes import INTERNAL, Volumes

log = logging.getLogger("emerge.node")


def conflict_path(table: MountTable, filesystem: str, epoch: int) -> str:
    """Where what only a filesystem has is kept, since a copy was promoted at a version of the table."""
    return join_path(*split_path(NODES), table.name(filesystem), "conflicts", str(epoch))


class Conflicts:
    """Keeps them. `dispatch` is that of the node, which reaches the whole tree; `local` gives its filesystems."""

    def __init__(self, dispatch: Dispatch, local: Callable[[str], Filesystem | None]) -> None:
        self._dispatch = dispatch
        self._local = local

    async def keep(self, core: Core, where: str, top: str, records: Sequence[VersionRecord]) -> None:
        """Keep objects of a filesystem, which are below `top`, below a path of the cluster."""
        for record in records:
            state = await load_state(core, record.entry, where)
            for target in await self._targets(core, where, top, record):
                held = await self._state_at(target)
                if held == state:
                    break
                if held is None:
                    await self._store(core, target, record, state)
                    break

    async def _targets(self, core: Core, where: str, top: str, record: VersionRecord) -> list[str]:
        """Where an object may be kept: as it was below the top, unless something else is there."""
        try:
            names = await locate(core, record.entry.uuid)
        except NotFound:  # it is in a directory that was removed
            names = split_path(child_path(record.directory, record.entry.name))
        path = join_path(*split_path(where), *(names[len(split_path(top)) :] or names[-1:]))
        return [path, f"{path}-{record.entry.uuid.hex()[:8]}", f"{path}-{record.entry.revision}"]

    async def _state_at(self, path: str) -> bytes | None:
        try:
            found = await self._call("getobject", path)
        except NotFound:
            return None
        assert isinstance(found, dict)
        state = found["state"]
        return state if isinstance(state, bytes) else b""

    async def _store(self, core: Core, target: str, record: VersionRecord, state: bytes) -> None:
        entry = record.entry
        filesystem = self._local(core.uuid) if entry.type == BLOB else None
        if filesystem is not None:
            path = join_path(REGISTRY, entry.uuid.hex())
            await put_again(filesystem.dispatch, path, entry.version, self._dispatch, target, entry.perms)
            await self._call("chown", target, entry.owner, entry.group, False)
            return
        needed = await required_bundles(core, {entry.bundle} - {""} | bundles_in(state))
        parts = (await read_parts(core, {"states": [], "bundles": needed}))["bundles"]
        sent = {hash: data for hash, data in parts.items() if data is not None}
        await self._call("store", target, state, entry.class_name, entry.bundle, 0, entry.type, entry.perms, sent)
        await self._call("chown", target, entry.owner, entry.group, False)

    async def _call(self, name: str, *args: object) -> object:
        answer = self._dispatch(name, list(args), INTERNAL)
        assert isinstance(answer, Awaitable)
        return await answer


async def unknown_to(
    volumes: Volumes, owner: str, core: Core, records: Sequence[VersionRecord], *, states: bool = False
) -> list[VersionRecord]:
    """Those of the versions of a filesystem that another one neither has nor had.

    With `states`, what counts is their states: whether the other has the version that made them, or has the same now.
    """
    found: list[VersionRecord] = []
    for first in range(0, len(records), PAGE_RECORDS):
        some = records[first : first + PAGE_RECORDS]
        asked = [await Known.of_state(core, each) if states else Known.of(each) for each in some]
        known = await _follow(volumes, owner, core.uuid, asked)
        found += [each for each, here in zip(some, known, strict=True) if not here]
    return found


async def _follow(
    volumes: Volumes, owner: str, own: str, asked: list[Known], seen: Set[str] = frozenset()
) -> list[bool]:
    """Ask a filesystem whether it has these; of what went on from there, whoever has it now."""
    if owner == own:
        return [True] * len(asked)  # it came back to who asks
    if owner in seen:
        return [False] * len(asked)
    try:
        answer = await volumes.ask(owner, "_cluster_known", [owner, [list(each) for each in asked]])
    except Invalid as error:  # it is of another release
        log.warning("nobody can tell what node %s has: %s", volumes.current().name(owner), error)
        return [False] * len(asked)
    assert isinstance(answer, list)
    for number, each in enumerate(answer):
        if isinstance(each, str):
            there = volumes.current().volume_of(each).filesystem
            (answer[number],) = await _follow(volumes, there, own, [asked[number]], {*seen, owner})
    return answer
