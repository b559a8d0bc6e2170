"""The leader's side: pages of its change log for those who copy a subtree. Awaits the store only."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from ..bundles import parse
from ..codec import bundles_in
from ..errors import NotFound
from ..filesystem.core import Core
from ..filesystem.files.fetch import fetch_block
from ..filesystem.indexes.definitions import read_catalogue
from ..filesystem.layout.ancestry import LEFT, is_purged
from ..filesystem.layout.author import author_rows
from ..filesystem.layout.catalogue import parse as parse_catalogue
from ..filesystem.layout.locality import get_versions
from ..filesystem.layout.log import newest_position
from ..filesystem.layout.record import ROOT, VERSION_KEY_SIZE, VersionRecord, entry_key, log_key, version_key
from ..filesystem.tree.links import newest_record
from ..store import keys_of, prefix_end
from .message import PAGE_BYTES, PAGE_RECORDS, LogPage, PageRequest, PartAnswer, PartRequest
from .subtree import Subtree

ADOPTED = b"+"
"""As `after`: what is in the tree that the next commit moves in was sent already."""


async def read_page(core: Core, request: PageRequest) -> LogPage:
    """Answer what is after a position of the log."""
    page = await _Page(core, request).fill()
    page["newest"] = await newest_position(core.store)
    return page


async def read_parts(core: Core, request: PartRequest) -> PartAnswer:
    """Answer states, bundles with their authors, and blocks, as many as go into a message."""
    answer = await _read_parts(core, request)
    rows = await author_rows(core.store, list(answer["bundles"]))
    return {**answer, "authors": [(key, value) for _, key, value in rows]} if rows else answer


async def _read_parts(core: Core, request: PartRequest) -> PartAnswer:
    answer: PartAnswer = {"states": {}, "bundles": {}, "blocks": {}}
    size = 0
    for name in request.get("blocks", ()):
        if size > PAGE_BYTES:
            return answer
        try:
            data = await fetch_block(core, name)
        except NotFound:  # removed meanwhile, with what had it; or nobody has it who is here
            answer["blocks"][name] = None
        else:
            answer["blocks"][name] = data
            size += len(data)
    for space, keys in (("states", request["states"]), ("bundles", [hash.encode() for hash in request["bundles"]])):
        for key in keys:
            if size > PAGE_BYTES:
                return answer
            (value,) = await core.store.get([(space, key)])
            size += len(value or b"")
            if space == "states":
                answer["states"][key] = value
            else:
                answer["bundles"][key.decode()] = value
    return answer


class _Page:
    """A page while it is filled."""

    def __init__(self, core: Core, request: PageRequest) -> None:
        self._core = core
        self._subtree = Subtree(core, request["path"])
        self._after = request["after"]
        self._began = request["position"]
        self._known = request.get("newest", 1 << 62) if request.get("leader") == core.uuid else 0
        self._limit = min(request["limit"], PAGE_RECORDS)
        self._size = 0
        self._hashes: set[str] = set()
        self._page: LogPage = {
            "filesystem": core.uuid,
            "position": request["position"],
            "newest": 0,
            "after": b"",
            "records": [],
            "above": [],
            "large": [],
            "bundles": [],
            "indexes": [],
        }

    async def fill(self) -> LogPage:
        page, core = self._page, self._core
        await self._subtree.open()
        page["above"] = self._subtree.above
        rows = await core.store.scan("log", log_key(page["position"] + 1), limit=PAGE_RECORDS)
        for row, logged in rows:
            if len(page["records"]) >= self._limit or self._size > PAGE_BYTES:
                break
            position = int.from_bytes(row, "big")
            if not await self._add_commit(position, logged):
                break
            page["position"] = position
        page["bundles"] = await self._bundles()
        for each in parse_catalogue(await read_catalogue(core)).definitions:
            if not each.error and await self._subtree.has(each.directory):
                page["indexes"].append((each.directory, list(each.fields), each.unique, each.text))
        return page

    async def _add_commit(self, position: int, logged: bytes) -> bool:
        """Add the versions of a commit; tell whether that could be done: a tree that it moves in or out comes first."""
        begin = len(logged) % VERSION_KEY_SIZE  # a mark of what another filesystem made
        keys = [logged[cut : cut + VERSION_KEY_SIZE] for cut in range(begin, len(logged), VERSION_KEY_SIZE)]
        found = zip(keys, await get_versions(self._core.store, keys), strict=True)
        mine = [(key, raw) for key, raw in found if raw is not None and await self._concerns(key, raw)]
        if begin:  # what was brought comes when it is put into its place, or never
            mine = [(key, raw) for key, raw in mine if VersionRecord.unpack(raw).operation == LEFT]
        if self._after != ADOPTED:
            moved = [uuid for _, raw in mine if (uuid := await self._comes_in(raw, brought=bool(begin)))]
            uuids: dict[bytes, str] = dict.fromkeys(
                [each for top in moved for each in await self._subtree.below(top)], ""
            )
            if not begin:
                uuids |= await self._once_inside(position, mine)
            if uuids:
                if not self._page["records"]:
                    await self._adopt(uuids)
                return False
        self._after = b""
        for key, raw in mine:
            self._add(key, raw)
        return True

    async def _once_inside(self, position: int, mine: Sequence[tuple[bytes, bytes]]) -> dict[bytes, str]:
        """Return what a commit moves out, and what was in it, with the date of that: a follower may have none of it.

        For what is not there is left out where it is told of what is. Who knew of all before this commit has it.
        """
        if self._subtree.everything or (position > self._known and position == self._began + 1):
            return {}
        found: dict[bytes, str] = {}
        for key, raw in mine:
            record = VersionRecord.unpack(raw)
            out = record.operation == "mv" and self._subtree.holds(record.origin)
            if out and not await self._subtree.has(key[:16]):
                date = record.entry.date
                found |= dict.fromkeys(await self._subtree.once_below(key[:16], date), date)
        return found

    async def _concerns(self, key: bytes, raw: bytes) -> bool:
        """Tell whether a version is of something that is there, takes it away, or purges what may have been there."""
        if await self._subtree.has(key[:16]):
            return True
        record = VersionRecord.unpack(raw)
        return (record.operation == "mv" and self._subtree.holds(record.origin)) or is_purged(record)

    async def _comes_in(self, raw: bytes, *, brought: bool) -> bytes:
        """Return the uuid of what a version brings in whose history a follower may not have; b"" if it does not."""
        record, store = VersionRecord.unpack(raw), self._core.store
        uuid = record.raw[:16]
        if brought and record.operation == LEFT:  # something of another filesystem may have taken its place
            (instead,) = await store.get([("entries", entry_key(record.parent, record.entry.name))])
            return b"" if instead is None else instead[:16]
        if record.operation not in ("mv", "load") or not record.parent_revision or not await self._subtree.has(uuid):
            return b""
        (before,) = await store.get([("versions", version_key(uuid, record.entry.version - 1))])
        known = before is not None and await self._is_known(VersionRecord.unpack(before).parent)
        return b"" if known else uuid

    async def _is_known(self, directory: bytes) -> bool:
        """Tell whether a follower has what was in a directory: it is below the path, and of this filesystem."""
        if not await self._subtree.has(directory):
            return False
        record = await newest_record(self._core, directory)
        return directory == ROOT or (record is not None and record.operation != LEFT)

    async def _adopt(self, uuids: Mapping[bytes, str]) -> None:
        """Add all versions of some objects until a date ("": to the newest), from `after` on."""
        page = self._page
        for uuid in sorted(uuids):
            if uuid < self._after[:16]:
                continue
            start = self._after + b"\0" if uuid == self._after[:16] else version_key(uuid, 0)
            while rows := await self._core.store.scan("versions", start, prefix_end(uuid), limit=50):
                for key, raw in rows:
                    if uuids[uuid] and VersionRecord.unpack(raw).entry.date > uuids[uuid]:
                        continue
                    self._add(key, raw)
                    if len(page["records"]) >= self._limit or self._size > PAGE_BYTES:
                        page["after"] = key
                        return
                start = rows[-1][0] + b"\0"
        page["after"] = ADOPTED

    def _add(self, key: bytes, raw: bytes) -> None:
        record = VersionRecord.unpack(raw)
        entry = record.entry
        self._page["records"].append(raw)
        self._size += len(raw)
        if entry.bundle:
            self._hashes.add(entry.bundle)
        if record.state is not None:
            self._hashes |= bundles_in(record.state)
        elif not entry.is_directory and entry.content == entry.version:
            self._page["large"].append(key)

    async def _bundles(self) -> list[str]:
        """The bundles that the states of this page need, and all that those require."""
        for raw in await self._core.store.get(keys_of("states", self._page["large"])) if self._page["large"] else []:
            self._hashes |= bundles_in(raw or b"")
        return await required_bundles(self._core, self._hashes)


async def required_bundles(core: Core, hashes: Collection[str]) -> list[str]:
    """The bundles of these hashes that are here, and all that they require."""
    pending, found = list(hashes), set[str]()
    while pending:
        hash = pending.pop()
        (data,) = await core.store.get([("bundles", hash.encode())])
        if hash not in found and data is not None:
            found.add(hash)
            pending += parse(data, hash).requires
    return sorted(found)
