"""Running an operation on the filesystem of this node, or of the node that holds its path.

A forwarded operation goes straight to the filesystem of the asked node, never to its router, so nothing is forwarded
twice. Which node holds a path is found in `locate`; what an operation means is not known here.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any, cast

from ..clients.transports.failover import Unsent
from ..clients.transports.zeromq import ZeroMQTransport
from ..cluster.membership import Cluster, Register
from ..cluster.peer import Identity
from ..context import ASKED
from ..errors import Invalid, NotFound, PermissionDenied, Unavailable
from ..filesystem import Filesystem
from ..filesystem.runs.host import AS_ME
from ..filesystem.searches.node_part import PARTS
from ..operations import Answer, Context, Values, Wire, find_operation
from .calls import CALLS
from .moved import under_way, watch_volumes
from .paths import SUBTREES, bound_call, owned_paths
from .skew import known_arguments
from .stale import CopyAges, CopyMark, mark_stale, reads
from .volumes import Volumes
from .way_lease import WayGrants

log = logging.getLogger("emerge.node")

FOR_OTHERS = frozenset({"watch", "_run_part", "_evaluate_part"})
"""What a node answers whoever owns the path."""

NOBODY = "who asks is a map of principal, groups, superuser and umask"
"""What a node is told that does not say who asks in a way that is known."""

Holder = Identity | None
"""Who holds something: a node of another filesystem, or None for this node's own filesystem."""


class Forwarder:
    """Runs operations on the own filesystem and on those of other nodes."""

    def __init__(self, filesystem: Filesystem, cluster: Cluster, volumes: Volumes, copies: CopyAges) -> None:
        self._copies = copies
        self._filesystem = filesystem
        self._cluster = cluster
        self._volumes = volumes
        self._parts: dict[str, Callable[..., Answer]] = {**PARTS, "_way": WayGrants(filesystem.core, cluster).check}

    def register(self, register: Register) -> None:
        """Let other nodes forward operations to this one's filesystem."""
        register("_cluster_forward", self._on_forward)

    async def ask(
        self, holder: Holder, name: str, args: Sequence[object], context: Context, *, unopened: bool = False
    ) -> Any:
        """Run an operation that does not stream on the holder's filesystem.

        `unopened`: what another node answers is passed on in its bytes, which saves decoding it.
        When a node refuses the connection, another node of the same filesystem is asked instead, unless the operation
        may have been done already.

        Raises:
            Unavailable: the node is out of reach; the message names it.
        """
        if holder is None or self._volumes.local(holder.filesystem) is not None:
            return await self.local(name, args, context, self.uuid(holder))
        link, to = await self._connect(holder, name, args)
        try:
            sent = self._forwarded(to, name, args, context)
            return await link.call("_cluster_forward", sent, unopened=unopened)
        except Invalid as error:
            fewer = known_arguments(name, args, error)
            if fewer is None:
                raise self._meaning(error, to, context) from None
            return await self.ask(to, name, fewer, context, unopened=unopened)
        except Unavailable as error:
            unsent = isinstance(error, Unsent)  # it went away before the call did
            if link.connected and not unsent:
                raise
            instead = self._replace(to, error)
            if instead is None or (not unsent and name not in PARTS and find_operation(name).changes):
                raise _out_of_reach(to, name, args, error) from None
        return await self.ask(instead, name, args, context, unopened=unopened)

    async def stream(
        self, holder: Holder, name: str, args: Sequence[object], context: Context
    ) -> AsyncGenerator[Any, None]:
        """Yield the items of an operation that streams, from the holder's filesystem."""
        if holder is None or self._volumes.local(holder.filesystem) is not None:
            items: Any = self._run(name, args, context, self.uuid(holder))  # a generator, as that of a link is
        else:
            link, to = await self._connect(holder, name, args)
            items = link.stream("_cluster_forward", self._forwarded(to, name, args, context))
        async with aclosing(items):
            try:
                async for item in items:
                    yield item
            except Invalid as error:
                raise (error if holder is None else self._meaning(error, holder, context)) from None

    def local(self, name: str, args: Sequence[object], context: Context, filesystem: str = "") -> Awaitable[Any]:
        """Run an operation that does not stream on the own filesystem, or on another one that this node serves."""
        answer = self._run(name, args, context, filesystem)
        assert not isinstance(answer, AsyncIterator)
        return answer

    def name(self, holder: Holder) -> str:
        """The name of the node."""
        return self._filesystem.node if holder is None else holder.node

    def uuid(self, holder: Holder) -> str:
        """The uuid of the filesystem."""
        return self._filesystem.uuid if holder is None else holder.filesystem

    def _run(self, name: str, args: Sequence[object], context: Context, filesystem: str = "") -> Answer:
        """Run an operation, or a part of one that goes over several nodes, on a filesystem of this node."""
        local = self._volumes.local(filesystem)
        if local is None:
            raise Unavailable(f"node {self._filesystem.node} does not serve the filesystem {filesystem[:8]} any more")
        if not self._volumes.undecided.has(local.uuid) and not self._shares(local):
            answer = self._run_now(local, name, args, context)
        else:
            kind = CALLS[name] if name in PARTS else find_operation(name)
            answer = (self._stream_settled if kind.streams else self._run_settled)(local, name, args, context)
        return self._volumes.moves.mark(local.core, answer, self._shares(local)) if context.part else answer

    def _shares(self, local: Filesystem) -> bool:
        """Tell whether other processes may move something from a filesystem to one that they do not share."""
        table = self._volumes.table
        return local.core.store.capabilities.many_writers and table is not None and len(table.members) > 1

    async def _run_settled(self, local: Filesystem, name: str, args: Sequence[object], context: Context) -> object:
        """Answer when nothing is undecided that it is about."""
        moves = await self._volumes.undecided.settle(local, name, args, shared=self._shares(local))
        answer = self._run_now(local, name, args, context)
        assert not isinstance(answer, AsyncIterator)

        async def count(path: str) -> Wire | None:
            at = find_operation(name).bind(args)._replace(path=path)
            try:
                counted = await self._run_now(local, name, at, context)  # type: ignore[misc]  # it does not stream
            except (NotFound, PermissionDenied):
                return None
            return cast(Wire, counted)

        return await self._volumes.undecided.leave_out(await answer, moves, count)

    async def _stream_settled(
        self, local: Filesystem, name: str, args: Sequence[object], context: Context
    ) -> AsyncGenerator[object, None]:
        moves = await self._volumes.undecided.settle(local, name, args, shared=self._shares(local))
        answer = self._run_now(local, name, args, context)
        assert isinstance(answer, AsyncGenerator)
        async with aclosing(answer) as items:
            async for item in self._volumes.undecided.leave_out_items(items, moves) if moves else items:
                yield item

    def _run_now(self, local: Filesystem, name: str, args: Sequence[object], context: Context) -> Answer:
        if under_way(self._volumes):
            self._volumes.check_given(owned_paths(name, args))
        part = self._parts.get(name)
        if part is None:
            answer = local.dispatch(name, args, context)
        else:
            answer = part(local.core, context, *CALLS[name].bind(args))
        if self._volumes.table is not None and name not in FOR_OTHERS:
            answer = watch_volumes(self._volumes, name, args, answer)
        as_of = self._copies.as_of(local.uuid) if local is not self._filesystem else None
        return (
            answer if as_of is None else mark_stale(name, answer, CopyMark(as_of, self._volumes.owner_of(local.uuid)))
        )

    async def _connect(self, to: Identity, name: str, args: Sequence[object]) -> tuple[ZeroMQTransport, Identity]:
        """Connect to a node or, when it is out of reach, to another one of the same filesystem."""
        while True:
            link = self._cluster.link(to)
            try:
                if not link.connected:
                    await link.connect()
                return link, to
            except Unavailable as error:
                instead = self._replace(to, error)
                if instead is None:
                    raise _out_of_reach(to, name, args, error) from None
                to = instead

    def _replace(self, to: Identity, error: Unavailable) -> Identity | None:
        """Take a node for gone; another one of the same filesystem, if there is one."""
        instead = self._cluster.another(to)
        log.warning(
            "a call cannot be forwarded to node %s (%s): %s; %s",
            *(to.node, to.rpc, error.message),
            f"node {instead.node} is asked instead" if instead else "no other node has its filesystem",
        )
        self._cluster.suspect(to)
        return instead

    def _meaning(self, error: Invalid, to: Identity, context: Context) -> Invalid:
        """The error of a node which does not know that two must be allowed something, if that is what it is about."""
        if not context.owners or error.message != NOBODY:
            return error
        message = f"node {to.node} is of another release, which does not know runs that have the rights of two"
        return Invalid(message, remedy=f"update it, or, {AS_ME}", node=to.node)

    def _forwarded(self, to: Identity, name: str, args: Sequence[object], context: Context) -> list[object]:
        table = self._volumes.table
        sent = list(args) if name in PARTS else find_operation(name).without_defaults(args)  # older nodes know fewer
        named: list[object] = [name, list(sent), write_context(context)]  # named tuples stay on this side
        return named if table is None else [*named, table.version, *self._volumes.apart(to.filesystem)]

    def _on_forward(self, name: str, args: Values, context: Context) -> Answer:
        call = CALLS[name].bind(args)
        if not context.superuser:
            raise PermissionDenied("only a node may forward the calls of others", remedy="ask in your own name")
        who = read_context(call.who)
        if call.table and not self._agrees(call.name, call.args, call.table, call.filesystem):
            raise Unavailable(
                f"node {self._filesystem.node} knows other volumes than the node that asks",
                remedy="try again",
                mounted=True,
                filesystem=self._filesystem.uuid,
            )
        return self._run(call.name, call.args, who, call.filesystem)

    def _agrees(self, name: str, args: Values, version: int, filesystem: str) -> bool:
        """Tell whether a filesystem owns the path of a call, and the asker knows all volumes below it.

        A copy answers what only reads, and who owns what is above what was there at a moment.
        """
        table = self._volumes.table
        if table is None or name in FOR_OTHERS:
            return True
        if name in SUBTREES and version < self._volumes.shrunk:  # else it asks another for what is here by now
            return False
        named = owned_paths(name, args)
        filesystem = filesystem or self._filesystem.uuid
        volumes = [table.volume_of(path) for path in named]
        past = bool(getattr(bound_call(name, args), "as_of", ""))
        owned = all(
            volume.filesystem == filesystem
            or (past and filesystem in table.owners_above(volume.path))
            or (reads(name) and any(copy.filesystem == filesystem for copy in table.copies(volume.path)))
            for volume in volumes
        )
        return owned and all(below.epoch <= version for path in named for below in table.borders_below(path))


def write_context(context: Context) -> Wire:
    """Describe the caller for another node, which trusts this one; a transaction is one of that node."""
    who: Wire = {"principal": context.principal, "groups": list(context.groups)}
    if not context.owners:  # who does not know of them would do what one of them may not: it refuses this
        who["superuser"] = context.superuser
    if context.runs:
        who["runs"] = list(context.runs)
    if context.part:
        who["part"] = True
    return {**replace(context, max_age=0.0).asked(), **who}


def read_context(who: object) -> Context:
    """Read the caller as another node describes them.

    Raises:
        Invalid: it is no such description.
    """
    if not isinstance(who, dict) or type(who.get("superuser", False if who.get("owners") else None)) is not bool:
        raise Invalid(NOBODY)
    trusting = Context(superuser=True, via="cluster")
    given = {name: who[name] for name in ASKED if name in who}
    caller = trusting.narrowed({"as": who.get("principal"), "groups": who.get("groups"), **given})
    runs = who.get("runs", [])
    if not isinstance(runs, (list, tuple)) or not all(isinstance(uuid, str) for uuid in runs):
        raise Invalid("the runs that a call is inside of are uuids")
    return replace(caller, superuser=who.get("superuser", False), runs=tuple(runs), part=who.get("part") is True)


def _out_of_reach(to: Identity, name: str, args: Sequence[object], error: Unavailable) -> Unavailable:
    first = next(iter(args), None)
    path = first if isinstance(first, str) else None
    message = f"node {to.node} ({to.rpc}) is out of reach: {error.message}"
    remedy, details = error.remedy, {**error.details, "missing": [to.node]}
    if details.get("unknown") and reads(name):  # nothing can have been changed
        remedy = f"start node {to.node} again, or ask once more"
        del details["unknown"]
    return Unavailable(message, path=path, remedy=remedy, **details)
