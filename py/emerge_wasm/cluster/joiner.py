"""Joining: the endpoints where nodes are looked for, and the introduction by which two of them meet."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping

from ..clients.transports.zeromq import ZeroMQTransport
from ..errors import EmergeError, Invalid, Unavailable
from ..operations import Wire
from .peer import Identity, read_identity
from .view import View

log = logging.getLogger("emerge.cluster")

INTRODUCTION_SECONDS = 2.0
LOST_SECONDS = 600.0
"""How long a node that fell silent is looked for at its old endpoint."""

Enter = Callable[[Identity, ZeroMQTransport], Awaitable[None]]
"""Enter the cluster of a node that was met; raises an EmergeError when that cannot be."""

Learn = Callable[[Wire, str], Identity]
"""(a node's introduction, the name of the key that it showed) -> who it is. Raises an EmergeError."""


class Joiner:
    """Meets the nodes at the endpoints `join`, which the operator named, those of `seeds`, and those that fell silent.

    Each is asked again until it answers, and when it is here no longer.
    """

    def __init__(
        self, view: View, join: Iterable[str], connect: Callable[[str], ZeroMQTransport], learn: Learn
    ) -> None:
        self.enter: Enter | None = None
        self.seeds: list[str] = []
        self._view = view
        self._join = list(dict.fromkeys(join))
        self._connect = connect
        self._learn = learn
        self._lost: dict[str, tuple[Identity, float]] = {}
        self._met: dict[str, str] = {}  # endpoint -> uuid found there
        self._found: dict[str, str] = {}  # endpoint of a node that the store names -> its uuid
        self._failures: dict[str, EmergeError] = {}

    def failures(self) -> dict[str, EmergeError]:
        """The endpoints that were not joined when last tried, and why."""
        return dict(self._failures)

    def unanswered(self) -> list[str]:
        """The endpoints that the operator named and that were not joined."""
        return [endpoint for endpoint in self._join if endpoint in self._failures]

    def lost(self) -> list[Identity]:
        """The nodes that fell silent and are looked for."""
        return [identity for identity, _ in self._lost.values()]

    def lose(self, identity: Identity) -> None:
        """Look for a node that fell silent where it was."""
        self._lost[identity.uuid] = identity, _now() + LOST_SECONDS

    def find_again(self, identity: Identity) -> None:
        """Something is at an endpoint again: look no more for what was there."""
        self._lost = {uuid: row for uuid, row in self._lost.items() if row[0].rpc != identity.rpc}
        self._failures.pop(identity.rpc, None)

    def keep(self, names: set[str]) -> None:
        """Look for none but the nodes of these names."""
        self._lost = {uuid: row for uuid, row in self._lost.items() if row[0].node in names}

    def meet(self, found: Mapping[str, str]) -> None:
        """Look for these nodes, {endpoint: uuid}, in place of those named before."""
        self._found = dict(found)

    def forget(self, uuid: str) -> None:
        """A node left: its store names it no longer."""
        self._found = {endpoint: known for endpoint, known in self._found.items() if known != uuid}

    async def join_all(self) -> None:
        """Ask once at each endpoint of a node that is not here."""
        self._lost = {uuid: row for uuid, row in self._lost.items() if _now() < row[1]}
        here = {identity.uuid for identity in (*self._view.members, *self._view.cut())}
        wanted = [endpoint for endpoint in (*self._join, *self.seeds) if self._met.get(endpoint) not in here]
        wanted += [endpoint for endpoint, uuid in self._found.items() if uuid not in here]
        wanted += [identity.rpc for identity in self.lost()]
        await asyncio.gather(*(self._join_one(endpoint) for endpoint in dict.fromkeys(wanted)))

    async def _join_one(self, endpoint: str) -> None:
        try:
            async with self._connect(endpoint) as transport:
                found = await self._introduce(endpoint, transport)
            if found is not None:
                self._met[endpoint] = found.uuid
            self._failures.pop(endpoint, None)
        except (EmergeError, TimeoutError, LookupError, TypeError) as error:
            self.fail(endpoint, error)

    async def _introduce(self, endpoint: str, transport: ZeroMQTransport) -> Identity | None:
        """Meet the node there; None when it is not the one that is looked for."""
        answer = await introduce(transport, self._view.own)
        found = read_identity(answer["self"])
        if self._found.get(endpoint, found.uuid) != found.uuid:
            return None  # the node that the store names is gone, and something else listens there
        if self.enter is not None and not self._view.own.is_akin(found):
            await self.enter(found, transport)
            answer = await introduce(transport, self._view.own)
        return self._learn(answer, transport.node)

    def fail(self, endpoint: str, error: Exception) -> None:
        """Remember why a node was not joined, and log what is new."""
        if isinstance(error, TimeoutError):
            error = Unavailable(
                f"what listens at {endpoint} does not answer", remedy="see whether that node stands still"
            )
        if not isinstance(error, EmergeError):
            error = Invalid(
                f"what listens at {endpoint} does not answer as a node",
                remedy="name a node's endpoint: see emerge nodes",
            )
        known = self._failures.get(endpoint)
        self._failures[endpoint] = error
        if known is None or known.message != error.message:  # not at every attempt
            log.warning("%s cannot be joined now, and is tried again: %s", endpoint, error)


async def introduce(transport: ZeroMQTransport, own: Identity) -> Wire:
    """Tell a node who this one is (an observer says nothing), and return what it says of itself and whom it knows.

    Raises:
        EmergeError: it is out of reach, or meets no node like this one.
        TimeoutError: it does not answer.
    """
    async with asyncio.timeout(INTRODUCTION_SECONDS):
        answer: Wire = await transport.call("_cluster_join", [own.to_wire() if own.pub else None])
    return answer


def _now() -> float:
    return asyncio.get_running_loop().time()
