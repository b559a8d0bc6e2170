"""The follower's side: ask for what is new, and apply each page in one commit with the position that it ends at.

So a page is applied exactly once, wherever the follower is stopped. The filesystem of a follower has an identity and a
log of its own; uuids, versions, revisions, dates, authors, rights and history are the leader's.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from typing import Self

from ..blocks.block import short_name
from ..bundles import parse
from ..codec import trees_in
from ..codec.msgpack_engine import engine
from ..context import Context
from ..errors import Invalid, NotFound, Unavailable
from ..filesystem.core import Core
from ..filesystem.files.carry import Carrier
from ..filesystem.layout.ancestry import is_purged
from ..filesystem.layout.author import is_author_key
from ..filesystem.layout.record import ROOT, VersionRecord
from ..filesystem.objects.purge import drop_history
from ..filesystem.objects.retention import prune_object, prune_tree
from ..filesystem.tree.find import locate
from ..paths import join_path
from ..store import Batch, Key, keys_of
from .applied import Applying
from .definitions import Defined, adjust_definitions, defined
from .message import PAGE_RECORDS, LogPage, PageRequest, PartAnswer, PartRequest

STATE: Key = ("meta", b"copy")
"""Where a copy keeps what it is of, and how far it is."""

INTERNAL = Context(superuser=True, via="cluster")


@dataclass(frozen=True, slots=True)
class Progress:
    """What a copy is of, and how far: the path, the leader's uuid, the position in its log that it has reached.

    `newest` is where the leader's log ended when last heard. `after`: see `LogPage`. `pruning` are keys of versions
    that made older ones superfluous, which are to go yet, or say that something is purged; `retains`: there are rules
    of retention. `indexes` are those of the leader. `as_of`: a moment at which the leader was no further than the copy.
    """

    path: str
    leader: str = ""
    position: int = 0
    newest: int = 0
    after: bytes = b""
    pruning: tuple[bytes, ...] = ()
    retains: bool = False
    indexes: tuple[Defined, ...] = ()
    as_of: str = ""

    def pack(self) -> bytes:
        return engine.packb([getattr(self, each.name) for each in fields(self)])

    @classmethod
    def unpack(cls, raw: bytes) -> Self:
        path, leader, position, newest, after, pruning, retains, indexes, as_of = engine.unpackb(raw)
        return cls(path, leader, position, newest, after, tuple(pruning), retains, defined(indexes), as_of)


@dataclass(slots=True)
class Follower:
    """A copy of what is at or below a path, as a machine of requests and answers.

    Send `request()` to the leader, and give the answer to `take`, which tells whether there is more to ask for.
    """

    core: Core
    progress: Progress
    _raw: bytes
    limit: int = PAGE_RECORDS
    as_of: str = ""
    """A moment at which the copy was all that the leader had; "": none is known."""
    _asked: str = ""
    _page: LogPage | None = None
    _missing: PartRequest = field(default_factory=lambda: PartRequest(states=[], bundles=[]))
    _held: dict[bytes, bytes] = field(default_factory=dict)  # states of files whose blocks are on their way
    _carrier: Carrier | None = None

    @classmethod
    async def open(cls, core: Core, path: str = "", limit: int = PAGE_RECORDS) -> Self:
        """Go on with the copy that a filesystem is, or begin one of a path in an empty filesystem.

        Raises:
            Invalid: it is a copy of another path, or none.
        """
        raw = await read_progress(core)
        if raw is None:
            if not path:
                raise Invalid(f"the filesystem {core.uuid} is no copy")
            raw = Progress(path).pack()
            await core.store.commit(Batch(puts=[(*STATE, raw)], expects=[(*STATE, None)]))
        progress = Progress.unpack(raw)
        if path not in ("", progress.path):
            raise Invalid(f"the filesystem {core.uuid} is a copy of {progress.path}", path=path)
        follower = cls(core, progress, raw, limit, progress.as_of)
        await follower._prune()
        return follower

    def request(self) -> PageRequest | PartRequest:
        """What to ask the leader next."""
        if self._page is not None:
            return self._missing
        now = self.progress
        asked: PageRequest = {"path": now.path, "position": now.position, "after": now.after, "limit": self.limit}
        return {**asked, "leader": now.leader, "newest": now.newest}

    async def take(self, answer: LogPage | PartAnswer, asked: str = "") -> bool:
        """Take the answer to the last request, made at this moment; tell whether there is more to ask for now.

        Raises:
            Diverged: the follower has a version that the leader does not have.
        """
        if self._page is None:
            self._page = await self._begin(answer)  # type: ignore[arg-type]  # the answer to what was asked
        else:
            await self._keep(answer)  # type: ignore[arg-type]
        self._asked = self._asked or asked
        if any(self._missing.values()):
            return True
        page, self._page = self._page, None
        asked, self._asked = self._asked, ""
        await self._apply(page, asked)
        return bool(page["after"]) or page["position"] < page["newest"]

    def changes_leader(self, leader: str) -> bool:
        """Tell whether what is here is of another leader than this one."""
        now = self.progress
        return now.leader not in ("", leader) and bool(now.position or now.after)

    def forget(self) -> None:
        """Drop what was asked for: the leader is another one, or went away."""
        self._page, self._asked = None, ""
        self._held = {}

    async def renew(self) -> None:
        """Go on from what is stored, after an error, which may have come when a page was committed already."""
        self.forget()
        raw = await read_progress(self.core)
        assert raw is not None
        self.progress, self._raw = Progress.unpack(raw), raw

    async def _begin(self, page: LogPage) -> LogPage:
        """Find out which states and bundles of a page are not here yet."""
        if self.changes_leader(page["filesystem"]):  # another log: what is here already is recognised
            await self._set(replace(self.progress, leader=page["filesystem"], position=0, newest=0, after=b""))
            page = {**page, "records": [], "large": [], "bundles": [], "position": 0, "after": b""}
        self._missing = {
            "states": await self._absent("states", page["large"]),
            "bundles": [key.decode() for key in await self._absent("bundles", [*map(str.encode, page["bundles"])])],
        }
        return page

    async def _absent(self, space: str, keys: list[bytes]) -> list[bytes]:
        found = await self.core.store.get(keys_of(space, keys)) if keys else []
        return [key for key, value in zip(keys, found, strict=True) if value is None]

    async def _keep(self, parts: PartAnswer) -> None:
        """Keep states and bundles that were sent, ahead of the versions that need them."""
        batch = Batch()
        for key, state in parts["states"].items():
            if state is not None and key in self._missing["states"]:
                if trees_in(state):
                    self._held[key] = state
                else:
                    batch.put("states", key, state)
        for hash, data in parts["bundles"].items():
            if data is not None and hash in self._missing["bundles"]:
                parse(data, hash)
                batch.put("bundles", hash.encode(), data)
        for row, groups in parts.get("authors", ()):
            if is_author_key(("receipts", row)):
                batch.put("receipts", row, groups)
        if not (parts["states"] or parts["bundles"] or parts.get("blocks")):
            raise Invalid("the leader sends nothing of what it was asked for", remedy="update the node that leads")
        if batch:
            await self.core.store.commit(batch)
        self._missing = {
            "states": [key for key in self._missing["states"] if key not in parts["states"]],
            "bundles": [hash for hash in self._missing["bundles"] if hash not in parts["bundles"]],
        }
        if self._held:
            await self._keep_files(parts.get("blocks", {}))

    async def _keep_files(self, blocks: Mapping[bytes, bytes | None]) -> None:
        """Keep blocks of files, and once all are here, the states of these files."""
        carrier = self._carrier = self._carrier or Carrier(self.core)
        for name, data in blocks.items():
            if data is None:
                raise Unavailable(f"the leader has not the block {short_name(name)}", remedy="verify its files")
            await carrier.keep({name: data})
        roots = frozenset[bytes]().union(*map(trees_in, self._held.values()))
        missing = await carrier.missing(roots)
        if missing:
            self._missing["blocks"] = missing
            return
        await self.core.store.commit(Batch(puts=[("states", key, state) for key, state in self._held.items()]))
        self._held, self._carrier = {}, None
        await carrier.end()

    async def _apply(self, page: LogPage, asked: str) -> None:
        way = {VersionRecord.unpack(raw).raw[:16] for raw in page["above"]}
        applying = Applying(self.core, None if self.progress.path == "/" else {ROOT, *way})
        for raw in (*page["above"], *page["records"]):
            await applying.add(raw)
        before = self.progress
        retains = before.retains or applying.retains
        pruning = (*before.pruning, *(applying.pruning if retains else ()), *applying.purged)
        now = replace(
            before,
            leader=page["filesystem"],
            position=page["position"],
            newest=page["newest"],
            after=page["after"],
            pruning=pruning,
            retains=retains,
            indexes=defined(page["indexes"]),
        )
        if now.position == now.newest and not now.after and not page.get("undecided"):
            self.as_of = asked
        if not applying.is_empty or now != before:
            now = replace(now, as_of=self.as_of)
        raw = now.pack()
        if raw != self._raw or not applying.is_empty:
            await applying.commit((*STATE, self._raw), raw)
            self.progress, self._raw = now, raw
        await self._prune()
        if now.position == now.newest:  # all directories that have indexes are here
            await adjust_definitions(self.core, now.indexes)

    async def _prune(self) -> None:
        """Thin out the versions of what was changed under a rule of retention, or purged, as the leader did."""
        if not self.progress.pruning:
            return
        for key in self.progress.pruning:
            (raw,) = await self.core.store.get([("versions", key)])
            if raw is not None and is_purged(record := VersionRecord.unpack(raw)):
                await drop_history(self.core, INTERNAL, record)
                continue
            try:
                names = await locate(self.core, key[:16])
            except NotFound:  # it was removed, or is not below the path
                continue
            if raw is None:
                continue
            entry = VersionRecord.unpack(raw).entry
            with suppress(NotFound):  # another filesystem has it, or what is above it
                if entry.is_directory:
                    await prune_tree(self.core, INTERNAL, join_path(*names))
                else:
                    await prune_object(self.core, INTERNAL, names, entry)
        await self._set(replace(self.progress, pruning=()))

    async def _set(self, progress: Progress) -> None:
        raw = progress.pack()
        await self.core.store.commit(Batch(puts=[(*STATE, raw)], expects=[(*STATE, self._raw)]))
        self.progress, self._raw = progress, raw


async def read_progress(core: Core) -> bytes | None:
    """What a filesystem knows of being a copy; None for an ordinary one."""
    (raw,) = await core.store.get([STATE])
    return raw
