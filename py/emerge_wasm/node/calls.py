"""The calls that nodes make to each other, outside the users' operation table. Declarations, no behaviour.

A forwarded call carries an operation, or one node's part of an operation that goes over several nodes; what the parts
do is in `filesystem.searches.node_part`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from ..operations import Names, Values, Wire, make_table, operation


class NodeCalls(Protocol):
    """What one node asks of another."""

    @operation("node")
    async def _cluster_forward(
        self, name: str, args: Values, who: Wire, table: int = 0, filesystem: str = ""
    ) -> object:
        """Run an operation or a part on the asked node's own filesystem, for the caller that `who` describes.

        `table` is the version of the mount table by which the asked node owns what is concerned (0: not said).
        `filesystem` is one that the asked node hosts, in place of its own.
        """
        ...

    @operation("node")
    async def _cluster_table(self, table: Wire | None) -> Wire:
        """The newest mount table that the asked node has; it takes the given one, if that is newer."""
        ...

    @operation("node")
    async def _cluster_enter(self, identity: Wire, paths: Names) -> Wire:
        """Enter the cluster, provided that nothing is at these paths; the mount table."""
        ...

    @operation("node")
    async def _cluster_mount(self, path: str, filesystem: str, given: bool = False) -> Wire:
        """Make a volume that a filesystem owns, or only what was `given` to it already; the mount table."""
        ...

    @operation("node")
    async def _cluster_mounts(self, paths: Names, filesystem: str) -> Wire:
        """Make volumes that a filesystem owns, where nothing is, all or none; the mount table."""
        ...

    @operation("node")
    async def _cluster_unmount(self, path: str) -> Wire:
        """Give a volume back to the owner of what is above it, with what is there; the mount table."""
        ...

    @operation("node")
    async def _cluster_pass(self, version: int) -> Wire:
        """The mount table, of this version at least: what was begun for an older one is not done any more."""
        ...

    @operation("node")
    async def _cluster_prepare(self, path: str, rights: Wire | None = None, version: int = 0) -> None:
        """Make the top of a volume, which the asked node's filesystem is to own, with {"perms", "owner", "group"}."""
        ...

    @operation("node")
    async def _cluster_close(self, path: str, close: bool, version: int = 0, filesystem: str = "") -> None:
        """Make an empty directory of the asked node's filesystem a mount point, or an ordinary directory again.

        `version` is that of the mount table for which this is done (0: not said).
        """
        ...

    @operation("node")
    async def _cluster_ways(self) -> None:
        """Rely no longer on what `_way` answered: rights are about to change."""
        ...

    @operation("node")
    async def _cluster_ring(self, version: int, keys: Names) -> Wire:
        """The newest ring that the asked node has. Where it is kept, these keys are taken into it; elsewhere, they are
        all of a newer ring, which is taken from who keeps it."""
        ...

    @operation("node")
    async def _cluster_about(self) -> Wire:
        """{"host", "copies", "blocks"}: the machine that the asked node runs on, and whether copies, and blocks of
        others, may be on it."""
        ...

    @operation("node")
    async def _cluster_host(self, path: str) -> str:
        """Make an empty filesystem on the asked node for a copy of the volume at a path; its uuid."""
        ...

    @operation("node")
    async def _cluster_unhost(self, filesystem: str) -> None:
        """Remove a copy that the asked node hosts."""
        ...

    @operation("node")
    async def _cluster_log(self, filesystem: str, request: Wire, wait: float = 0.0, follower: str = "") -> Wire:
        """Answer a follower about a filesystem of the asked node (see `replication.message`).

        Where there is nothing new, wait for it, so many seconds at most. `follower` is the copy's filesystem.
        """
        ...

    @operation("node")
    async def _cluster_known(self, filesystem: str, versions: Values) -> Values:
        """Of each of these [uuid, version, revision, hash of its state], whether a filesystem of the asked node has it,
        or had it."""
        ...

    @operation("node")
    async def _cluster_retire(self, path: str, filesystem: str) -> Wire:
        """Take a copy that has more than its owner out of the copies; the mount table."""
        ...

    @operation("node")
    async def _cluster_state(self, filesystem: str, path: str) -> Wire:
        """{"position", "newest", "as_of", "count", "digest"} of what a filesystem of the asked node has of a volume."""
        ...

    @operation("node")
    async def _cluster_reach(self, filesystem: str, pull: bool = True) -> Wire:
        """Let a copy on the asked node reach its owner, if that is here: {"position", "leader"}.

        Without `pull`, it is only told how far it is.
        """
        ...

    @operation("node")
    async def _cluster_lead(self, filesystem: str) -> Wire:
        """Make an owner of a copy on the asked node: it follows no more; {"position", "leader"}, how far it came."""
        ...

    @operation("node")
    async def _cluster_replicate(self, path: str, copies: int, sync: bool | None = None, without: str = "") -> Wire:
        """Change how many copies a volume has, whether its changes wait for one, and give up that of a node; the mount
        table."""
        ...

    @operation("node")
    async def _cluster_yield(self, path: str) -> None:
        """Make no change in a volume for a moment: a copy of it is about to be promoted."""
        ...

    @operation("node")
    async def _cluster_lease(self, path: str, filesystem: str, epoch: int) -> Wire:
        """Renew the lease of a volume, which a filesystem owns since a version of the table: {"seconds"}."""
        ...

    @operation("node")
    async def _cluster_promote(self, path: str, node: str) -> Wire:
        """Make a copy the owner of a volume; the mount table."""
        ...

    @operation("node")
    async def _cluster_copy(self, source: str, target: str, recursive: bool, who: Wire, taker: str = "") -> Wire:
        """Copy what other filesystems have at or below a path to one of the asked node; the pointer of the copy.

        Here and below, `taker` and `giver` name filesystems that a node hosts beside its own ("": its own).
        """
        ...

    @operation("node")
    def _copied(self, path: str, recursive: bool) -> AsyncIterator[Wire]:
        """A stream of what is to be copied of the asked node's filesystem: {"entry", "directory", "state"}."""
        ...

    @operation("node")
    async def _block_put(self, path: str, blocks: dict[str, bytes], upload: str, who: Wire) -> int:
        """Hold blocks that a caller sends in an upload, for which the owner of the path vouches; how many."""
        ...

    @operation("node")
    async def _block_give(self, path: str, names: Names, version: int, as_of: str, who: Wire) -> Wire:
        """Blocks of a file that the caller may read, as far as the asked node has them, as `getblocks` answers."""
        ...

    @operation("node")
    async def _block_vouch(self, owner: str, path: str, names: Names, upload: str, who: Wire) -> Names:
        """Those of these blocks that an upload of the caller is to have held, as their owner, asked here, says."""
        ...

    @operation("node")
    async def _block_confirm(self, owner: str, path: str, names: Names, upload: str, holder: str, who: Wire) -> None:
        """Note that a holder has these blocks, durably, for an upload."""
        ...

    @operation("node")
    async def _block_again(self, owner: str, names: Values) -> Values:
        """Those of these blocks that the asked node has; it holds them for their owner from now on."""
        ...

    @operation("node")
    async def _block_hold(self, owner: str, blocks: Values) -> None:
        """Hold blocks, [name, bytes], that their owner sends."""
        ...

    @operation("node")
    async def _block_get(self, names: Values) -> Values:
        """[name, bytes] of these blocks that the asked node has, as many as go into a message."""
        ...

    @operation("node")
    async def _block_check(self, names: Values, verify: bool, owner: str = "") -> Values:
        """[name, "lost" or "damaged"] of these blocks that the asked node has not; with `verify` it reads them. Those
        that it has are held for the `owner` from now on."""
        ...

    @operation("node")
    async def _block_review(self, owner: str, names: Values) -> Values:
        """Those of these blocks that the asked node holds still, after it has asked their owner which are wanted."""
        ...

    @operation("node")
    async def _block_kept(self, owner: str, names: Values, holder: str = "") -> Values:
        """Those of these blocks that something in a filesystem of the asked node, their owner, keeps, and that the
        holder which asks is to have."""
        ...

    @operation("node")
    async def _handover_move(self, source: str, target: str, filesystem: str, who: Wire, giver: str = "") -> Wire:
        """Move what the asked node's filesystem has at a path to one of another filesystem; its pointer there."""
        ...

    @operation("node")
    async def _handover_give(self, path: str, filesystem: str, version: int, giver: str = "") -> None:
        """Hand a volume, or a directory that is to be one by a version of the mount table, over to a filesystem.

        False where that cannot be, or (version 0) was not done before.
        """
        ...

    @operation("node")
    async def _handover_room(self, path: str, taker: str = "") -> bool:
        """Whether the asked node's filesystem has nothing of its own at a path."""
        ...

    @operation("node")
    async def _handover_done(self) -> None:
        """Look at what is unfinished: the mount table says now whose a volume is that was handed over."""
        ...

    @operation("node")
    async def _handover_open(
        self,
        id: bytes,
        filesystem: str,
        uuid: bytes,
        source: str,
        target: str,
        stays: bool,
        who: Wire,
        taker: str = "",
        since: str = "",
    ) -> str:
        """Begin to take something from a filesystem; the path that it will have (`stays`: the target itself).

        `since`: what stays at its path has been reached by it since that moment.
        """
        ...

    @operation("node")
    async def _handover_rows(self, id: bytes, rows: Values, taker: str = "") -> None:
        """Keep rows of what is handed over: [space, key, value]."""
        ...

    @operation("node")
    async def _handover_blocks(self, id: bytes, roots: Values, blocks: Values, taker: str = "") -> Values:
        """Keep blocks, [name, bytes], of the files with these roots; the names of those that are to be sent next."""
        ...

    @operation("node")
    async def _handover_decide(self, id: bytes, indexes: Values, who: Wire, taker: str = "") -> Wire:
        """Put what was handed over into its place: the decision; its pointer. `indexes` are those defined in it."""
        ...

    @operation("node")
    async def _handover_end(self, id: bytes, taker: str = "") -> Wire | None:
        """Give up what was not decided, so that it never will be; the pointer of what was decided."""
        ...

    @operation("node")
    async def _handover_forget(self, id: bytes, taker: str = "") -> None:
        """Forget what was decided: the asking filesystem has removed what it gave."""
        ...

    @operation("node")
    async def _handover_known(self, ids: Values, giver: str = "") -> Values:
        """Those of the handovers that the asked node's filesystem still has to finish."""
        ...

    @operation("node")
    async def _handover_taken(self, giver: str, path: str) -> Values:
        """[id, uuid, source, target, taker] of what was taken from below a path of a filesystem that is to own it no
        more, and is not finished. What is not decided is given up."""
        ...

    @operation("node")
    async def _handover_release(
        self, id: bytes, uuid: bytes, source: str, filesystem: str, target: str, giver: str = ""
    ) -> None:
        """Let go of what another filesystem has, which took it from the former owner of the source."""
        ...

    @operation("node")
    async def _handover_adopt(
        self, id: bytes, new: bytes, filesystem: str, uuid: bytes, source: str, taker: str = ""
    ) -> Wire:
        """Have another filesystem finish, under its own id, what was given by the former owner; the pointer."""
        ...

    @operation("node")
    async def _handover_here(self, uuids: Values, filesystem: str = "") -> Values:
        """[uuid, path] of those of these that are in a filesystem of the asked node."""
        ...

    @operation("node")
    async def _handover_trail(self, uuid: bytes, filesystem: str = "") -> Wire:
        """{"pointer"} of what is there with this uuid, and where it went from there: {"left"}, else ""."""
        ...

    @operation("node")
    async def _ordered(
        self,
        path: str,
        predicate: Wire | None,
        order_by: str,
        descending: bool,
        limit: int,
        after: Values | None,
        as_of: str,
        bundles: dict[str, bytes] | None,
    ) -> Wire:
        """The rows of a search in the order of a field that come after a position."""
        ...

    @operation("node")
    async def _text(self, path: str, field: str, words: str, limit: int, after: Values | None) -> Wire:
        """The rows of a text search that come after a position."""
        ...

    @operation("node")
    def _columns(
        self, path: str, fields: Names, predicate: Wire | None, as_of: str, bundles: dict[str, bytes] | None
    ) -> AsyncIterator[Wire]:
        """A stream of the values of some fields of the objects that fit."""
        ...

    @operation("node")
    def _run_part(
        self,
        path: str,
        pointer: Wire,
        state: bytes,
        bundles: dict[str, bytes],
        method: str,
        args: Values,
        kwargs: Wire,
        seconds: float,
    ) -> AsyncIterator[Wire]:
        """A stream of the output and the outcome of a method of the asking node's object, run here."""
        ...

    @operation("node")
    async def _evaluate_part(self, expression: Wire, rows: Values, bundles: dict[str, bytes], seconds: float) -> Wire:
        """The values of an expression on objects of the asking node."""
        ...

    @operation("node")
    async def _way(self, mount: str, depth: int, asker: str = "") -> float:
        """Check that the caller may come to a mount point; a search, from a directory of `depth` names.

        For so many seconds the asking node, by its uuid, may rely on that, unless `_cluster_ways` is called.
        """
        ...

    @operation("node")
    async def _history(self, uuid: str, before: int, limit: int) -> Wire:
        """A page of the versions of what the asked node's filesystem has, or had when it was removed; else NotFound."""
        ...

    @operation("node")
    async def _back(self, uuid: str, cursor: str, limit: int) -> Wire:
        """A page of the objects that refer to the one with this uuid."""
        ...


CALLS = make_table(NodeCalls)
