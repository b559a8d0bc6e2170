"""Where in the cluster a path is, and asking there: this node's own filesystem, or a node that serves another one.

A forwarded operation goes straight to the filesystem of whoever is asked, never to its router, so that nothing is
forwarded twice. What an operation means is the router's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Sequence
from contextlib import aclosing
from typing import Any

from ..clients.transports.zeromq import ZeroMQTransport
from ..cluster.membership import Cluster
from ..cluster.peer import Identity
from ..context import UMASK
from ..errors import Invalid, NotFound, PermissionDenied, Unavailable
from ..filesystem import Filesystem
from ..filesystem.searches.node_part import PARTS
from ..operations import Answer, Context, Wire, find_operation
from ..paths import join_path, split_path
from .holding import held
from .server import RpcServer

REMEMBERED = 4096

Where = Identity | None
"""A node of another filesystem, or None for this node's own."""


class Reach:
    """The own filesystem, and those of the other nodes."""

    def __init__(self, filesystem: Filesystem, cluster: Cluster) -> None:
        self.filesystem = filesystem
        self.cluster = cluster
        self._seen: dict[str, Identity] = {}  # path -> the node it was last found on

    def register(self, server: RpcServer) -> None:
        """Let other nodes forward operations to this one's filesystem."""
        server.register("_cluster_forward", self._on_forward)

    # --- asking
    async def ask(self, where: Where, name: str, args: list[Any], context: Context) -> Any:
        """Run an operation there; Unavailable that names the node when it cannot be reached."""
        if where is None:
            return await self.local(name, args, context)
        link, to = await self._link(where, args)
        try:
            return await link.call("_cluster_forward", _forwarded(name, args, context))
        except Unavailable as error:
            if link.connected:
                raise
            instead = self.cluster.another(to)
            self.cluster.suspect(to)
            if instead is None or (name not in PARTS and find_operation(name).changes):  # it may have been made
                raise _out_of_reach(to, args, error) from None
        return await self.ask(instead, name, args, context)

    async def stream(self, where: Where, name: str, args: list[Any], context: Context) -> AsyncGenerator[Any, None]:
        """The items of an operation that streams, from there."""
        if where is None:
            items: Any = self._own(name, args, context)
        else:
            link, _ = await self._link(where, args)
            items = link.stream("_cluster_forward", _forwarded(name, args, context))
        async with aclosing(items):
            async for item in items:
                yield item

    def local(self, name: str, args: list[Any], context: Context) -> Awaitable[Any]:
        """Run an operation that does not stream on the own filesystem."""
        answer = self._own(name, args, context)
        assert not isinstance(answer, AsyncIterator)
        return answer

    def _own(self, name: str, args: list[Any], context: Context) -> Answer:
        """An operation, or a part of one that goes over several nodes, on the own filesystem."""
        part = PARTS.get(name)
        if part is None:
            return self.filesystem.dispatch(name, args, context)
        answer: Answer = part(self.filesystem.core, context, *args)
        return answer

    async def _link(self, to: Identity, args: list[Any]) -> tuple[ZeroMQTransport, Identity]:
        """The connection to a node, or, when it is out of reach, to another one of the same filesystem."""
        while True:
            link = self.cluster.link(to)
            try:
                if not link.connected:
                    await link.connect()
                return link, to
            except Unavailable as error:
                instead = self.cluster.another(to)
                self.cluster.suspect(to)
                if instead is None:
                    raise _out_of_reach(to, args, error) from None
                to = instead

    def _on_forward(self, name: str, args: list[Any], context: Context) -> Answer:
        if len(args) != 3 or not isinstance(args[0], str) or not isinstance(args[1], (list, tuple)):
            raise Invalid("a forwarded operation is its name, its arguments and who asks")
        if not context.superuser:
            raise PermissionDenied("only a node may forward the calls of others", remedy="ask in your own name")
        context = read_context(args[2])
        try:
            return self._own(args[0], list(args[1]), context)
        except TypeError as error:  # the operations of the table say this themselves
            raise Invalid(f"{args[0]}: {error}") from None

    # --- finding out where
    async def is_here(self, paths: list[str]) -> bool:
        """Whether one of these is in the own filesystem."""
        return bool((await held(self.filesystem, paths, []))[0])

    async def find(self, paths: Sequence[str], *, everywhere: bool = False) -> dict[str, list[Where]]:
        """Where each path is, the own filesystem last; what is nowhere is left out.

        What is here is not looked for elsewhere too, unless `everywhere` (a directory may be in several). Unavailable
        when it cannot be known.
        """
        here = set((await held(self.filesystem, list(paths), []))[0])
        asked = [path for path in paths if everywhere or path not in here]
        found = await self.cluster.whohas(asked)
        if found.silent and asked:
            raise _silent(found.silent, asked)
        self._check_lost([path for path in asked if path not in here and path not in found.paths])
        places: dict[str, list[Where]] = {}
        for path, holders in found.paths.items():
            self._remember(path, holders[0])
            places[path] = list(holders)
        for path in here:
            places.setdefault(path, []).append(None)
        return places

    async def holder(self, paths: list[str]) -> Where:
        """The other node that has one of these paths, None for none; Unavailable when that cannot be known."""
        found = await self.cluster.whohas(paths, first=True)
        for path in paths:
            if holders := found.paths.get(path):
                self._remember(path, holders[0])
                return holders[0]
        if found.silent:
            raise _silent(found.silent, paths)
        self._check_lost(paths)
        return None

    async def ask_all(self, name: str, args: list[Any], context: Context) -> list[tuple[Where, Any]]:
        """The answers of all who have what is at the path (the first argument), the own first.

        Who has nothing there, or nothing that the caller may see, is left out; when that is so of all, it is raised.
        """
        return self.heard(args[0], await self.try_all([None, *self.cluster.others()], name, args, context))

    async def try_all(
        self, places: Sequence[Where], name: str, args: list[Any], context: Context
    ) -> list[tuple[Where, Any]]:
        """What each of these answers, or raises."""
        asked = (self.ask(where, name, args, context) for where in places)
        answers = await asyncio.gather(*asked, return_exceptions=True)
        return list(zip(places, answers, strict=True))

    def heard(self, path: str, answers: Sequence[tuple[Where, Any]]) -> list[tuple[Where, Any]]:
        """Those who answered; raises what another one failed with (see `ask_all`)."""
        here = {identity.filesystem for identity in self.cluster.peers()}
        failed = [(where, answer) for where, answer in answers if isinstance(answer, BaseException)]
        hidden = [error for _, error in failed if is_hidden(error)]
        for where, error in failed:
            if isinstance(error, Unavailable) and where is not None and where.filesystem not in here:
                continue  # found gone while it was asked: no longer a node of the cluster
            if not is_hidden(error):
                raise error
        found = [(where, answer) for where, answer in answers if not isinstance(answer, BaseException)]
        if not found:
            raise self.nothing(path, hidden)
        return found

    def nothing(self, path: str, hidden: Sequence[BaseException]) -> BaseException:
        """Why nobody has what is at a path, after each of them said so."""
        denied = next((error for error in hidden if isinstance(error, PermissionDenied)), None)
        if denied is not None:
            return denied
        self._check_lost([path])
        return hidden[0] if hidden else NotFound(f"nothing is at {path}", path=path)

    async def where(self, path: str) -> Where:
        """Where a path is: here when it is here, or nowhere."""
        return None if await self.is_here([path]) else await self.holder([path])

    async def nearest(self, path: str, *, everywhere: bool = False) -> list[Where]:
        """Where the lowest directory above a path is that is anywhere (see `find`)."""
        names = split_path(path)
        above = [join_path(*names[:depth]) for depth in range(len(names) - 1, 0, -1)]
        places = await self.find(above, everywhere=everywhere) if above else {}
        return next((places[each] for each in above if each in places), [*self.cluster.others(), None])

    def name(self, where: Where) -> str:
        return self.filesystem.node if where is None else where.node

    def check_lost(self, path: str) -> None:
        """Unavailable when a path was last seen on a node that fell silent since."""
        self._check_lost([path])

    def _check_lost(self, paths: list[str]) -> None:
        lost = {identity.filesystem for identity in self.cluster.lost()}
        for path in paths:
            holder = self._seen.get(path)
            if holder is not None and holder.filesystem in lost:
                raise Unavailable(
                    f"{path} is on node {holder.node} ({holder.rpc}), which is out of reach",
                    path=path,
                    remedy="start that node again",
                )

    def _remember(self, path: str, holder: Identity) -> None:
        self._seen.pop(path, None)
        self._seen[path] = holder
        if len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]


def is_hidden(error: object) -> bool:
    """Whether it says that there is nothing, or nothing for the caller to see; not that a class must be sent along."""
    return isinstance(error, PermissionDenied) or (isinstance(error, NotFound) and "bundles" not in error.details)


def write_context(context: Context) -> Wire:
    """Who asks, for another node, which trusts this one, inside of which runs; transactions stay within one node."""
    who: Wire = {"principal": context.principal, "groups": list(context.groups), "superuser": context.superuser}
    if context.runs:
        who["runs"] = list(context.runs)
    return who if context.umask == UMASK else {**who, "umask": context.umask}


def read_context(data: Any) -> Context:
    """Who asks, as another node says; Invalid when it says no such thing."""
    if not isinstance(data, dict) or type(data.get("superuser")) is not bool:
        raise Invalid("who asks is a map of principal, groups, superuser and umask")
    trusting = Context(superuser=True, via="cluster")
    asked = {"as": data.get("principal"), "groups": data.get("groups"), "umask": data.get("umask", UMASK)}
    who = trusting.narrowed(asked)
    runs = data.get("runs", [])
    if not isinstance(runs, (list, tuple)) or not all(isinstance(uuid, str) for uuid in runs):
        raise Invalid("what a call is inside of are uuids")
    return Context(who.principal, tuple(who.groups), data["superuser"], who.umask, via="cluster", runs=tuple(runs))


def _forwarded(name: str, args: list[Any], context: Context) -> list[Any]:
    return [name, list(args), write_context(context)]


def _out_of_reach(to: Identity, args: list[Any], error: Unavailable) -> Unavailable:
    path = args[0] if args and isinstance(args[0], str) else None
    return Unavailable(f"node {to.node} ({to.rpc}) is out of reach: {error.message}", path=path, remedy=error.remedy)


def _silent(silent: list[Identity], paths: Sequence[str]) -> Unavailable:
    names = ", ".join(identity.node for identity in silent)
    return Unavailable(f"node {names} does not say whether it has {paths[0]}", path=paths[0], remedy="try again")
