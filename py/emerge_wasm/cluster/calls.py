"""The calls by which nodes join and answer each other's questions, outside the users' table. No behaviour."""

from __future__ import annotations

from typing import Protocol

from ..operations import Names, Wire, make_table, operation


class ClusterCalls(Protocol):
    """What one member of a cluster asks of another."""

    @operation("cluster")
    async def _cluster_join(self, identity: Wire | None) -> Wire:
        """Meet the caller (None: an observer): {"self": the asked node's identity, "peers": those that it knows}."""
        ...

    @operation("cluster")
    async def _cluster_answer(self, question: bytes, node: str, paths: Names, uuids: Names) -> None:
        """Tell who asked which of the paths and uuids the calling node holds."""
        ...


CALLS = make_table(ClusterCalls)
