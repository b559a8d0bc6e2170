"""The operations that need nothing of a client: their arguments and results are those of the table.

Written by `python -m buildtools.sync_client` from `operations.py`: change that, then run it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from ..operations import Names
from ..results import (
    AuthorMap,
    BlockAnswer,
    BlockHolders,
    BlockPlaces,
    CallInfo,
    CopyReport,
    FileBlock,
    HoldingList,
    MemberEventRow,
    MemberRows,
    NodeInfo,
    PageTable,
    PointerRow,
    PrincipalInfo,
    PurgeInfo,
    RingInfo,
    RunReceipts,
    ScrubReport,
    VolumeRows,
)
from .operations import ClientOperations
from .remote import ending


class PlainOperations(ClientOperations):
    """The operations that clients call as the table declares them."""

    async def rm(self, path: str, recursive: bool = False) -> int:
        """Remove an object or a directory (recursive when not empty); how many entries went."""
        return await self.remote.rm(path, recursive)

    async def pages(self, path: str, limit: int = 1000, as_of: str = "") -> PageTable:
        """{"count", "cursors"}: how many entries a directory has that the caller may see, and the cursor that `list`
        takes for each page of so many: whoever shows a long list can jump anywhere in it."""
        return await self.remote.pages(path, limit, as_of)

    async def authors(self, hashes: Names) -> AuthorMap:
        """Who stands for the bundles with these hashes: those who have stored an object of the class from a program of
        their own that has it (see `store`). Whoever reads such an object decides by it whether the class may run there.
        """
        return await self.remote.authors(hashes)

    async def retain(self, path: str, keep: str | None = None) -> str:
        """Say which versions of the objects in a directory (and below, unless one there says otherwise) are kept:
        "all", so many ("10") or those of so many days ("30 days"); "" goes by the directory above. What is in force;
        without `keep` nothing changes. The newest version always stays."""
        return await self.remote.retain(path, keep)

    async def purge(self, path: str) -> PurgeInfo:
        """Delete for good what was removed from a path, and below a directory, with all its versions; of what is there,
        nothing. Only what the caller owns: its bytes count no more. A removed directory goes when nothing of others is
        left in it. It cannot be undone.

        {"purged": objects and directories, "bytes": of all their versions}.
        """
        return await self.remote.purge(path)

    async def recall(self, path: str, id: str) -> CallInfo:
        """{"known", "operation", "target", "result", "note"} of the call that the caller made with this id, for what is
        at this path; not `known` is one that was not done, or longer ago than calls are remembered."""
        return await self.remote.recall(path, id)

    async def readobject(self, path: str) -> AsyncIterator[bytes]:
        """What an object's method `read` gives, in parts of at most 64 KiB, as they are made: bytes, text, or an
        iterable or generator of those. Closing the stream ends the run."""
        async with ending(self.remote.readobject(path)) as items:
            async for item in items:
                yield item

    async def receipts(self, path: str, before: str = "", limit: int = 100) -> RunReceipts:
        """The last runs of an object's methods, newest first (`before`: a receipt's id): {"id", "date", "node",
        "principal", "method", "version" (that it ran on), "bundle", "arguments", "result" (SHA-256 of their encoded
        bytes), "milliseconds", "made" (the version that it made, 0: none)}; with "acted_as" where a superuser's run
        had the rights of the object's owner, and "owners" where these had to be allowed what it did, too."""
        return await self.remote.receipts(path, before, limit)

    async def query(self, path: str) -> Any:
        """Run a query object: its method `query(self, fs)`. The results are kept in its field `results`, to be read
        later without running it again, and returned."""
        return await self.remote.query(path)

    async def whoami(self) -> PrincipalInfo:
        """{"principal", "groups", "superuser", "umask", "via"} of who asks."""
        return await self.remote.whoami()

    async def haveblocks(self, path: str, names: Names, upload: str = "") -> Names:
        """Those of these blocks, by name (SHA-256 in hexadecimal), that need not be sent for a file at a path: the
        caller sent them in this upload within the hour, or they are in the file that is there. `upload` is a name of
        the caller's. They are kept for an hour from now; in an upload whose name begins with "live-" for 75 seconds,
        unless it is said to go on: without names, all of its blocks are kept from now on."""
        return await self.remote.haveblocks(path, names, upload)

    async def placeblocks(
        self, path: str, names: Names, upload: str = "", layout: str = "raid0", avoid: Names | None = None
    ) -> BlockPlaces:
        """{"layout", "places": {name: [node…]}, "nodes": {node: {"filesystem", "rpc", "host"}}}: which nodes blocks for
        a file at a path are to be sent to, those that are there already left out (see `haveblocks`). Of the fragments
        of a block all are named, one after another. `layout` is as "raid5 4+1", or "raid5": the answer says the
        numbers for so many nodes as there are. `avoid`: nodes that did not take theirs."""
        return await self.remote.placeblocks(path, names, upload, layout, avoid)

    async def putblocks(
        self, path: str, blocks: dict[str, bytes], upload: str = "", maps: bool = False, holder: str = ""
    ) -> int:
        """Keep blocks, by name, for a file that the caller is about to make at a path, for an hour; how many.
        `maps`: they are nodes of its block map, and all that they name was sent before. `holder`: the node that is to
        keep them, which `placeblocks` has said; any node passes them on. "": who owns the path."""
        return await self.remote.putblocks(path, blocks, upload, maps, holder)

    async def dropblocks(self, path: str, upload: str = "") -> None:
        """Let go of what the caller sent in an upload for a file at a path, which is not to be made: what nothing else
        keeps goes soon, here and where it is held."""
        return await self.remote.dropblocks(path, upload)

    async def putfile(self, path: str, root: str, upload: str = "", version: int = 0, perms: str = "") -> PointerRow:
        """Make the file whose block map has this root, and whose blocks were sent in this upload; its new pointer.
        `version` as in `store`."""
        return await self.remote.putfile(path, root, upload, version, perms)

    async def getblocks(
        self, path: str, names: Names, version: int = 0, as_of: str = "", holder: str = ""
    ) -> BlockAnswer:
        """{"blocks": {name: bytes}, "lost": {name: why}}: blocks of a file, up to some 4 MiB; the rest of the names is
        to be asked for again. `holder`: only what that node has; any node passes the question on. "": who owns the
        path, which gets from others what it has not."""
        return await self.remote.getblocks(path, names, version, as_of, holder)

    async def findblocks(
        self, path: str, names: Names, version: int = 0, as_of: str = "", ask: bool = False
    ) -> BlockHolders:
        """{"holders": {name: [node…]}, "nodes": {node: {"filesystem", "rpc", "host"}}, "silent": [node…]}: who has
        these blocks of a file, as its owner remembers; with `ask`, as all nodes say that answer."""
        return await self.remote.findblocks(path, names, version, as_of, ask)

    async def blocks(
        self, path: str, verify: bool = False, version: int = 0, as_of: str = ""
    ) -> AsyncIterator[FileBlock]:
        """A stream of the blocks of a file, {"name", "offset", "size", "fragments", "state" ("here" | "repairable" |
        "lost"), "amiss": {name: "lost" | "damaged" | "away"}, "holders": {name: [node…]}}; with `verify`, each is read
        by who has it, and its hash compared."""
        async with ending(self.remote.blocks(path, verify, version, as_of)) as items:
            async for item in items:
                yield item

    async def scrub(self, path: str = "/", start: bool = False) -> ScrubReport:
        """{"rate", "days", "now", "last"}: how the blocks of the filesystem that owns a path are read and compared with
        their hashes in the background, and what the last pass found: {"begun", "ended", "blocks", "size", "mended",
        "unread", "losses", "lost"}. With `start`, another pass begins, after the one that goes on."""
        return await self.remote.scrub(path, start)

    async def hello(self) -> NodeInfo:
        """{"node", "uuid", "version", "store", "shared", "durability", "isolation", "largest_batch", "position",
        "runs", "principal", "scrubbed", "lost"} of who answers. `shared`: whether other nodes may serve the same store.
        `runs`: how shipped code runs there: "sandbox", "unsafe", "browser" or "" (not at all). `scrubbed`: when all its
        blocks were read last; `lost` how many of them could not be made again."""
        return await self.remote.hello()

    async def nodes(self) -> MemberRows:
        """[{"node", "uuid", "rpc", "self", "state", "volumes", "since", "version", "python", "away"}…]: the nodes of
        the cluster, those that are away too, and what it could not join."""
        return await self.remote.nodes()

    async def watchnodes(self) -> AsyncIterator[MemberEventRow]:
        """A stream of what happens to the nodes of the cluster, {"event", "date", …} and what `nodes` says of each:
        first all that are known, then who joined, left, is gone, unreachable, reached again, or changed."""
        async with ending(self.remote.watchnodes()) as items:
            async for item in items:
                yield item

    async def holdings(self) -> HoldingList:
        """{"nodes": [{"node", "filesystem", "volumes", "position"}…]}: what each node holds, as it says itself."""
        return await self.remote.holdings()

    async def volumes(self) -> VolumeRows:
        """[{"path", "node", "filesystem", "epoch", "away"}…]: which node owns which subtree; none without a cluster."""
        return await self.remote.volumes()

    async def foundcluster(self) -> VolumeRows:
        """Found a cluster, in which the asked node owns everything; its volumes. A superuser may."""
        return await self.remote.foundcluster()

    async def mount(self, path: str, node: str = "") -> VolumeRows:
        """Make a volume, with what is there, that a node (its name; "": the asked one) owns then; all volumes.
        A superuser may. Conflict: the node has something there, too."""
        return await self.remote.mount(path, node)

    async def unmount(self, path: str) -> VolumeRows:
        """Give a volume back, with what is there, to the owner of what is above it; the cluster's volumes. A superuser
        may."""
        return await self.remote.unmount(path)

    async def replicate(
        self, path: str, copies: int | None = None, sync: bool | None = None, without: str = ""
    ) -> CopyReport:
        """Keep so many copies of a volume on other nodes, those on other machines first (a superuser may; None: leave
        them as they are): {"path", "wanted", "sync", "owner", "copies", "notes"}, as each node says itself what it has.
        With `sync`, changes are acknowledged only when a copy has them, and refused while none is here. `without`: the
        copy of this node is given up, though it may be away for good, and another node has one in its place."""
        return await self.remote.replicate(path, copies, sync, without)

    async def promote(self, path: str, node: str = "") -> VolumeRows:
        """Make a copy the owner of a volume whose owner is lost: that on a node ("": whichever has most); the cluster's
        volumes. A superuser may. What the former owner had alone is kept by it, as conflicts."""
        return await self.remote.promote(path, node)

    async def ring(self) -> RingInfo:
        """{"version", "keys", "missing"}: whose keys the cluster knows, as the asked node does. A superuser may ask."""
        return await self.remote.ring()

    async def addkey(
        self,
        name: str,
        key: str,
        member: bool = False,
        groups: Names | None = None,
        superuser: bool = False,
        another: bool = False,
    ) -> RingInfo:
        """Let a public key in at all nodes of the cluster: that of a `member` (a node or relay), else a client's, with
        groups. With `another`, the name keeps the key that it has. A superuser may."""
        return await self.remote.addkey(name, key, member, groups, superuser, another)

    async def revokekey(self, which: str) -> RingInfo:
        """Let a key, or all keys of a name, in no longer, for good, at all nodes of the cluster. A superuser may."""
        return await self.remote.revokekey(which)
