"""The transport to whichever of several nodes answers: when one goes, another takes over.

What was not sent yet is sent to another node, and what only reads is asked there again. A change that was under way is
not repeated, since it may have been made: its error has `details["unknown"]`. Other members of the cluster are learned
from `nodes`, so the list need not be whole. Must not import a transport.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import aclosing
from typing import Protocol

from ...errors import EmergeError, Unavailable
from ...operations import Transport, Values, Wire, find_operation
from ..fork import renew_in_child
from .endpoint import host_of, is_loopback

log = logging.getLogger("emerge.clients")

HEAD_START = 0.3
"""Seconds that the preferred node has to accept a connection before all others are tried at once."""

LEARN_SECONDS = 10.0
"""Between two questions who else is in the cluster; the first comes soon after connecting."""

FOLLOWING = frozenset({"watch", "subscribe"})
"""Streams from now on: begun again elsewhere, they would miss what happened between."""


class Unsent(Unavailable):
    """No node answered, so nothing was sent: the call can be made again elsewhere."""


class NodeLink(Transport, Protocol):
    """A transport to one node, that says whether it is there."""

    endpoint: str

    @property
    def connected(self) -> bool:
        """Whether the node is connected now."""
        ...

    async def connect(self) -> None:
        """Wait until the node is connected. Raises Unavailable when none answers; nothing was sent then."""
        ...


class FailoverTransport:
    """Calls one of several nodes (an `operations.Transport`), and another when that one goes.

    `open` makes the transport to an address. A transaction stays with the node where it was begun.
    """

    def __init__(self, addresses: Iterable[str], open: Callable[[str], NodeLink]) -> None:
        self._given = list(dict.fromkeys(addresses))
        self._open = open
        self._links = {address: open(address) for address in self._given}
        self._chosen = self._given[0]
        self._learned: dict[str, str] = {}  # address of a member -> its uuid
        self._homes: dict[str, str] = {}  # transaction -> the address where it was begun
        self.renew()
        renew_in_child(self)

    def renew(self) -> None:
        """Reset in a forked child; the transports reset themselves."""
        self._learning: asyncio.Task[None] | None = None

    @property
    def endpoint(self) -> str:
        """The address of the node that calls go to."""
        return self._chosen

    def beside(self, endpoint: str, node: str) -> NodeLink:
        """Return a transport with the same key to another node. It is closed with this one."""
        if endpoint not in self._links:
            self._links[endpoint] = self._open(endpoint)
        return self._links[endpoint]

    @property
    def addresses(self) -> list[str]:
        """The addresses of all nodes known: those given, then those learned."""
        return list(dict.fromkeys([*self._given, *self._learned]))

    async def call(self, name: str, args: Values, context: Wire | None = None) -> object:
        """Run an operation that answers once.

        Raises:
            Unavailable: no node answers; or, with `details["unknown"]`, one went away while it made a change.
        """
        home = self._home(name, args, context)
        if home is not None:
            return await self._links[home].call(name, args, context)
        tried: set[str] = set()
        while True:
            link = await self._connect(tried)
            try:
                answer: object = await link.call(name, args, context)
                break
            except Unavailable as error:
                self._check(name, error, once=bool((context or {}).get("call_id")))
                tried.add(link.endpoint)
        if name == "begin" and isinstance(answer, dict):
            self._homes[str(answer["transaction"])] = link.endpoint
        return answer

    async def stream(self, name: str, args: Values, context: Wire | None = None) -> AsyncIterator[object]:
        """Run an operation that streams. It is begun again elsewhere only if nothing of it has come yet."""
        home = self._home(name, args, context)
        tried: set[str] = set()
        while True:
            link = self._links[home] if home is not None else await self._connect(tried)
            begun = False
            try:
                async with aclosing(link.stream(name, args, context)) as items:  # type: ignore[type-var]  # a generator
                    async for item in items:
                        begun = True
                        yield item
                return
            except Unavailable as error:
                if begun or home is not None:
                    raise
                self._check(name, error)
                tried.add(link.endpoint)

    async def close(self) -> None:
        """End calls under way with Unavailable and close all connections. Idempotent."""
        learning, self._learning = self._learning, None
        if learning is not None:
            learning.cancel()
            await asyncio.wait([learning])
        for link in self._links.values():
            await link.close()

    def _home(self, name: str, args: Values, context: Wire | None) -> str | None:
        """Return the address of the transaction that a call belongs to or ends; None if it may go anywhere."""
        if name in ("commit", "rollback"):
            return self._homes.pop(str(find_operation(name).bind(args).transaction), None)
        return self._homes.get(str((context or {}).get("transaction") or ""))

    def _check(self, name: str, error: Unavailable, *, once: bool = False) -> None:
        """Raise the error of a call that may not be made again elsewhere; one that is made `once` may."""
        if isinstance(error, Unsent):
            return
        changes = find_operation(name).changes and not once
        if not error.details.get("unknown") or changes or name in FOLLOWING:
            raise error
        log.info("%s is asked of another node: %s", name, error.message)

    async def _connect(self, tried: set[str]) -> NodeLink:
        """Return a connected transport to a node that was not tried yet, the chosen one if it is there.

        Raises:
            Unavailable: none answers.
        """
        chosen = self._links[self._chosen]
        if not chosen.connected or self._chosen in tried:
            chosen = await self._race(sorted(set(self.addresses) - tried, key=lambda each: each != self._chosen))
        if self._learning is None or self._learning.done():
            self._learning = asyncio.get_running_loop().create_task(self._learn())
        return chosen

    async def _race(self, addresses: list[str]) -> NodeLink:
        """Connect to the first of these or, if that takes too long, to whichever is the first to answer."""
        errors: list[EmergeError] = []
        waiting = {asyncio.ensure_future(self._reach(address)) for address in addresses[:1]}
        rest = addresses[1:]
        try:
            while waiting:
                timeout = HEAD_START if rest else None
                done, waiting = await asyncio.wait(waiting, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    if task.exception() is None:
                        return self._choose(task.result())
                    errors.append(_expected(task.exception()))
                waiting |= {asyncio.ensure_future(self._reach(address)) for address in rest}
                rest = []
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
        for error in errors:
            if not isinstance(error, Unavailable):  # a key that is refused, for example, says more than silence
                raise error
        where = " or ".join(address.removeprefix("tcp://") for address in self.addresses)
        raise Unsent(f"no node answers at {where}", remedy="start one of them with `emerge node start`")

    async def _reach(self, address: str) -> NodeLink:
        link = self._links.get(address)
        if link is None:
            link = self._links[address] = self._open(address)
        if not link.connected:
            await link.connect()
        if address not in self._given and await _uuid_of(link) != self._learned.get(address):
            raise Unavailable(f"another node than the one known answers at {address}")
        return link

    def _choose(self, link: NodeLink) -> NodeLink:
        if self._chosen != link.endpoint:
            log.warning("calls go to the node at %s now", link.endpoint)
            self._chosen = link.endpoint
        return link

    async def _learn(self) -> None:
        """Ask the chosen node, now and then, who else is there."""
        pause = HEAD_START
        while True:
            await asyncio.sleep(pause)
            pause = LEARN_SECONDS
            try:
                rows = await self._links[self._chosen].call("nodes", [])
            except EmergeError:
                continue
            near = is_loopback(host_of(self._chosen))  # else a loopback address means another machine than this one
            found = {
                row["rpc"]: row["uuid"]
                for row in rows
                if row["uuid"] and (near or not is_loopback(host_of(row["rpc"])))
            }
            self._learned = {address: uuid for address, uuid in found.items() if address not in self._given}


def _expected(error: BaseException | None) -> EmergeError:
    """Return an error of ours; raise any other."""
    if isinstance(error, EmergeError):
        return error
    raise error or AssertionError


async def _uuid_of(link: NodeLink) -> str | None:
    return next((row["uuid"] for row in await link.call("nodes", []) if row["self"]), None)
