"""Connections of a client to further nodes of its cluster, beside the one that it talks to, for the bytes of files.

They are made with the client's own key, where its transport can do that; where it cannot, or a node cannot be reached,
or knows the caller by another name, what is meant for it goes by the one that the client talks to, which passes it on.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Protocol, cast, runtime_checkable

from .. import sync
from ..errors import EmergeError
from ..operations import Operations, Transport, Wire
from ..results import BlockNode, NodeInfo
from .remote import Turns, remote_operations
from .transports.endpoint import host_of, is_loopback
from .transports.failover import NodeLink

log = logging.getLogger("emerge.clients")

AGAIN_SECONDS = 30.0
"""How long a node that could not be reached is not tried again."""


@runtime_checkable
class Branching(Protocol):
    """A transport that can make others like it, to further nodes."""

    endpoint: str

    def beside(self, endpoint: str, node: str) -> NodeLink:
        """Return a transport with the same key to the node of that name, which is closed with this one."""
        ...


class NodeLinks:
    """The connections of all clients that were made from one."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._met: set[str] = set()  # those that were connected once
        self._away: dict[str, float] = {}  # endpoint -> until when it is not tried
        self._principal: str | None = None  # as the node that the client talks to knows it

    def is_nearest(self, endpoint: str) -> bool:
        """Whether it is that of the node that the client talks to, and others are reached beside it."""
        return isinstance(self._transport, Branching) and endpoint == self._transport.endpoint

    def leads_to(self, endpoint: str) -> bool:
        """Whether a node may be reached by a connection of its own."""
        if not endpoint or sync.drive is sync.run_straight or not isinstance(self._transport, Branching):
            return False
        # a loopback address means another machine than this one
        return not is_loopback(host_of(endpoint)) or is_loopback(host_of(self._transport.endpoint))

    async def to(self, node: str, endpoint: str) -> Transport | None:
        """Return a connected transport to a node; None when it cannot be reached from here, or is not to be.

        Raises:
            Unavailable: it was reached before, and is not there now.
        """
        transport = self._transport
        if self.is_nearest(endpoint):
            return transport
        if not isinstance(transport, Branching) or not self.leads_to(endpoint):
            return None
        link = transport.beside(endpoint, node)
        met = link.connected and endpoint in self._met
        return link if met or await self._connect(link, node) else None

    async def _connect(self, link: NodeLink, node: str) -> bool:
        if self._away.get(link.endpoint, 0) > time.monotonic():
            return False
        try:
            await link.connect()
            why = await self._stranger(link)
        except EmergeError as error:
            if link.endpoint in self._met:
                raise
            why = str(error)
        if why:
            log.info("node %s is asked by the way of another: %s", node, why)
            self._away[link.endpoint] = time.monotonic() + AGAIN_SECONDS
            return False
        self._met.add(link.endpoint)
        return True

    async def _stranger(self, link: NodeLink) -> str:
        """Say that a node takes the client for somebody else than its own node does, whose blocks and rights these
        would not be; "" if it does not."""
        if self._principal is None:
            self._principal = await principal_at(self._transport)
        there = await principal_at(link)
        return "" if there == self._principal else f"it knows the caller as {there!r}, not as {self._principal!r}"


async def principal_at(node: Transport) -> str:
    """Return as whom a node knows the client."""
    return cast(NodeInfo, await node.call("hello", []))["principal"]


class HolderCalls:
    """The operations of nodes by name, on behalf of one client: directly, or by the node that it talks to.

    `remote` are those of the latter. A call to a node takes its name as `holder`, so that either understands it.
    """

    def __init__(self, links: NodeLinks, remote: Operations, context: Wire, turns: Turns) -> None:
        self.remote = remote
        self._links = links
        self._context = context
        self._turns = turns
        self._nodes: dict[str, str] = {}

    def learn(self, nodes: Mapping[str, BlockNode]) -> None:
        """Learn where nodes are called."""
        self._nodes.update((name, node["rpc"]) for name, node in nodes.items())

    def apart(self, nodes: Sequence[str]) -> list[str]:
        """Return those that are asked by a connection of their own; and "" for the node that the client talks to, which
        passes on what is meant for others, unless it is among them."""
        endpoints = {node: self._nodes.get(node, "") for node in nodes}
        own = [node for node in nodes if self._links.leads_to(endpoints[node])]
        return own if any(self._links.is_nearest(endpoints[node]) for node in own) else [*own, ""]

    async def of(self, node: str) -> Operations:
        """Return the operations of a node, as directly as can be."""
        link = await self._links.to(node, self._nodes.get(node, ""))
        return self.remote if link is None else remote_operations(link, self._context, self._turns)
