"""The calls by which nodes join and answer each other's questions, outside the users' table. No behaviour."""

from __future__ import annotations

from typing import Protocol

from ..operations import Names, Wire, make_table, operation


class ClusterCalls(Protocol):
    """What one member of a cluster asks of another."""

    @operation("cluster")
    async def _cluster_join(self, identity: Wire | None) -> Wire:
        """Meet the caller (None: an observer): {"self": the asked node's identity, "peers": those that it knows,
        "view": the version of that, "table": that of its mount table}."""
        ...

    @operation("cluster")
    async def _cluster_probe(self, uuid: str) -> bool:
        """Whether a member answers the asked node, which calls it."""
        ...

    @operation("cluster")
    async def _cluster_answer(
        self, question: bytes, node: str, paths: Names, uuids: Names, blocks: Names | None = None
    ) -> None:
        """Tell who asked which of the paths, uuids and blocks the calling node holds."""
        ...

    @operation("cluster")
    async def _cluster_held(self, paths: Names, uuids: Names, blocks: Names | None = None) -> list[Names]:
        """Which of the paths, uuids and blocks the asked node holds: [paths, uuids, blocks]; without blocks, if none
        are asked for."""
        ...

    @operation("cluster")
    async def _cluster_showing(self, question: bytes, node: str, holding: Wire) -> None:
        """Tell who asked what the calling node holds."""
        ...

    @operation("cluster")
    async def _cluster_show(self) -> Wire:
        """What the asked node holds."""
        ...


CALLS = make_table(ClusterCalls)
