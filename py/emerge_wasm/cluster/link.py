"""The connections by which a node calls the others: one to each, made at the first call."""

from __future__ import annotations

import asyncio

from ..clients.keys.credential import Credential
from ..clients.transports.zeromq import ZeroMQTransport
from ..errors import Unavailable
from .authenticator import KeyChange
from .peer import Identity
from .task import CLOSE, Tasks

RETIRE_SECONDS = 5.0
PATIENCE_SECONDS = 1.0
"""How long a node may take to accept a connection."""


class Links:
    """The connections to nodes, by endpoint; with a `credential` they show its key."""

    def __init__(self, tasks: Tasks, credential: Credential | None) -> None:
        self._tasks = tasks
        self._credential = credential
        self._links: dict[str, ZeroMQTransport] = {}

    def make(self, endpoint: str, node: str = "") -> ZeroMQTransport:
        """Make a connection that its caller closes."""
        return ZeroMQTransport(endpoint, patience=PATIENCE_SECONDS, credential=self._credential, node=node)

    def to(self, identity: Identity) -> ZeroMQTransport:
        """Return the one connection to a node.

        Raises:
            Unavailable: this node has stopped.
        """
        if self._tasks.stopped:
            raise Unavailable("this node is stopping", remedy="ask another")
        found = self._links.get(identity.rpc)
        if found is None:
            found = self._links[identity.rpc] = self.make(identity.rpc, identity.node)
        return found

    def drop(self, identity: Identity) -> None:
        """Close the connection to a node."""
        link = self._links.pop(identity.rpc, None)
        if link is not None:
            self._tasks.spawn(link.close(), CLOSE)

    def follow_keys(self, change: KeyChange) -> None:
        """Call others by connections that show a new key from now on; what is under way on the old ones may end."""
        if change == "key":
            links, self._links = self._links, {}
            for link in links.values():
                self._tasks.spawn(_retire(link), "retire")

    async def close(self) -> None:
        links, self._links = self._links, {}
        for link in links.values():
            await link.close()


async def _retire(link: ZeroMQTransport) -> None:
    try:
        await asyncio.sleep(RETIRE_SECONDS)
    finally:
        await link.close()
