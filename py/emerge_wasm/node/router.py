"""In front of a node's filesystem: an operation goes to the node that owns its path, or to all that have a part of it.

Where this node's filesystem owns everything, the router adds nothing. What each route does is in the modules beside it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import aclosing, suppress

from ..cluster.membership import Cluster, Register
from ..errors import Invalid, Unavailable
from ..filesystem import Filesystem
from ..filesystem.execution import EXECUTION
from ..filesystem.transactions.once import EVERY_TIME
from ..operations import Answer, Arguments, Context, Values, find_operation
from ..wire.event import Unopened
from .at_once import ReadsAtOnce
from .copies import Copies
from .cp import CopyRoutes
from .directory import DirectoryRoutes
from .forward import Forwarder
from .handover import Handovers
from .held_blocks import HeldBlocks
from .locate import Locator
from .members import MemberRoutes
from .near import NearReads
from .nodes import NodeRoutes
from .objects import ObjectRoutes, OneAnswer, Route
from .paths import mentions_uuid
from .replication import Replication
from .ring_keeper import RingKeeper
from .run_elsewhere import RunElsewhere
from .search import SearchRoutes, continues
from .stale import reads
from .transaction import ENDS, TransactionRoutes
from .volume_routes import VolumeRoutes
from .volumes import Volumes

FOLLOWED = (
    *("get", "getobject", "cat", "update", "add", "methods", "help", "code"),
    *("diff", "query", "recall", "receipts", "restore", "retain", "run", "findblocks", "getblocks"),
)


MOVE_SECONDS = 10.0
"""How long a call waits for a volume on its way to another node: as long as a change waits for an object."""

FIRST_PAUSE, LONGEST_PAUSE = 0.01, 0.5
"""Seconds before it is tried again, at first and at most; a newer mount table ends a pause."""

ANYWHERE = frozenset({"hello", "whoami", "nodes", "watchnodes", "volumes"})
"""What a node answers that is to enter a cluster and could not yet."""


class Router:
    """A dispatch over one filesystem and the cluster around it."""

    def __init__(
        self,
        filesystem: Filesystem,
        cluster: Cluster,
        volumes: Volumes,
        ring: RingKeeper,
        handovers: Handovers,
        replication: Replication,
        copies: Copies,
        held: HeldBlocks,
    ) -> None:
        self._filesystem = filesystem
        self._volumes = volumes
        self._forwarder = Forwarder(filesystem, cluster, volumes, copies)
        self._near = NearReads(volumes, copies)
        locator = self.locator = Locator(filesystem, volumes, self._forwarder, self._near)
        directories = DirectoryRoutes(locator)
        self._cp = CopyRoutes(locator)
        objects = ObjectRoutes(locator, directories, handovers, self._cp)
        searches = SearchRoutes(locator)
        self.nodes = nodes = NodeRoutes(locator)
        self.read = ReadsAtOnce(locator).read
        members = MemberRoutes(locator, objects.get, nodes)
        mounts = VolumeRoutes(volumes, replication)
        self._transactions = TransactionRoutes(locator)
        filesystem.core.dispatch = self.dispatch  # so running methods see the whole cluster
        EXECUTION.of(filesystem.core).others = RunElsewhere(self._forwarder, cluster)
        self._always: dict[str, Route] = {
            "nodes": nodes.nodes,
            "watchnodes": nodes.watchnodes,
            "holdings": nodes.holdings,
            "whohas": members.whohas,
            "watch": members.watch,
            "changes": members.changes,
            "volumes": mounts.volumes,
            "foundcluster": mounts.found,
            "mount": mounts.mount,
            "unmount": mounts.unmount,
            "replicate": mounts.replicate,
            "promote": mounts.promote,
            "ring": ring.ring,
            "addkey": ring.add,
            "revokekey": ring.revoke,
        }
        self._routes: dict[str, Route] = {
            **{name: objects.follow(name, unopened=True) for name in FOLLOWED},
            **{
                name: objects.place(name)
                for name in ("store", "mkdir", "haveblocks", "placeblocks", "putfile", "dropblocks", "scrub")
            },
            "putblocks": either(held.route_put, objects.place("putblocks")),
            "getblocks": either(held.route_get, objects.follow("getblocks", unopened=True)),
            **{name: objects.place_all(name) for name in ("storeall", "load")},
            **{name: objects.change_all(name) for name in ("chmod", "chown")},
            **{name: objects.carry(name) for name in ("cp", "mv")},
            "references": objects.references,
            "versions": objects.versions,
            "mixin": objects.mixin,
            "rm": objects.remove,
            "purge": objects.purge,
            "export": objects.export,
            "list": directories.list,
            "pages": objects.follow("pages", unopened=True),
            "objects": objects.follow("objects", unopened=True),
            "dir": directories.dir,
            "tree": directories.tree,
            **{name: objects.stream(name) for name in ("runstream", "readobject", "blocks", "repair")},
            "search": searches.search,
            "searchtext": searches.searchtext,
            "searchpages": searches.searchpages,
            "count": searches.count,
            "aggregate": searches.aggregate,
            "explain": searches.explain,
            "index": searches.index,
            "classes": members.classes,
            "authors": members.authors,
            **{name: self._transactions.end(name) for name in ENDS},
        }

    def register(self, register: Register) -> None:
        """Let other nodes forward operations to this one's filesystem."""
        self._forwarder.register(register)
        self._cp.register(register)
        self.locator.leases.register(register)

    def serve(self, name: str, args: Values, context: Context) -> Answer:
        """Answer as `dispatch` does, to be sent on at once: what another node answered may be `Unopened`."""
        return self.dispatch(name, args, context, unopened=True)

    def store(self, args: Values, context: Context) -> asyncio.Future[object] | None:
        """Store an object in the own filesystem, whose answer needs no task; None where `dispatch` answers."""
        routed = self._volumes.table is not None or self._volumes.pending
        if routed or context.transaction or context.call_id or not self._filesystem.stores.groups:
            return None
        return self._filesystem.stores.add(context, find_operation("store").bind(args))

    def dispatch(self, name: str, args: Values, context: Context, *, unopened: bool = False) -> Answer:
        """Answer an operation, wherever in the cluster its path is."""
        route = self._always.get(name)
        if self._volumes.pending and name not in ANYWHERE:
            raise Unavailable(
                f"node {self._filesystem.node} has not entered its cluster yet",
                remedy="start the nodes that it is to join; see its log for what is amiss",
            )
        if route is None and (self._volumes.table is not None or continues(name, args)):
            inside = bool(context.transaction) and name not in ENDS
            route = self._transactions.inside(name) if inside else self._routes.get(name)
            if context.call_id and not inside and find_operation(name).changes and name not in EVERY_TIME:
                route = self._transactions.once(name)
        elif route is not None and context.call_id and find_operation(name).changes:
            raise Invalid(f"{name} is not recorded", remedy="leave the call id out: it can be repeated as it is")
        if route is None:
            return self._filesystem.dispatch(name, args, context)
        bound, streams = find_operation(name).bind(args), find_operation(name).streams
        by_uuid = name not in FOLLOWED and name not in self._always and mentions_uuid(bound)
        if not streams:
            answer = self._answer(route, bound, context, by_uuid)
            answer = answer if reads(name) else self._seen(answer, context)
            return answer if unopened else _opened(answer)
        items = self._stream(route, bound, context, by_uuid)
        return items if reads(name) else self._seen_items(items, context)

    async def _seen(self, answer: Awaitable[object], context: Context) -> object:
        """Remember that a caller has an answer of owners: what copies answer next is not older."""
        try:
            return await answer
        finally:
            self._near.saw(context)

    async def _seen_items(self, items: AsyncGenerator[object, None], context: Context) -> AsyncGenerator[object, None]:
        async with aclosing(items):
            async for item in items:
                self._near.saw(context)
                yield item

    async def _answer(self, route: Route, args: Arguments, context: Context, by_uuid: bool) -> object:
        """Answer a call, and again with the newest mount table while this node and another know different ones."""
        patience = _Patience(self._volumes)
        while True:
            try:
                return await self._answer_once(route, args, context, by_uuid)
            except Unavailable as error:
                await patience.wait(error)

    async def _answer_once(self, route: Route, args: Arguments, context: Context, by_uuid: bool) -> object:
        """Answer a call; when it names an object by its uuid, its path says who owns it."""
        answer = route(await self.locator.by_name(args) if by_uuid else args, context)
        assert not isinstance(answer, AsyncIterator)
        return await answer

    async def _stream(
        self, route: Route, args: Arguments, context: Context, by_uuid: bool
    ) -> AsyncGenerator[object, None]:
        """Stream as `_answer` answers: a stream that has not begun is begun again, any other can be asked for again."""
        patience, begun = _Patience(self._volumes), False
        while True:
            try:
                async with aclosing(self._stream_once(route, args, context, by_uuid)) as items:
                    async for item in items:
                        begun = True
                        yield item
                return
            except Unavailable as error:
                await patience.wait(error, again=not begun)

    async def _stream_once(
        self, route: Route, args: Arguments, context: Context, by_uuid: bool
    ) -> AsyncGenerator[object, None]:
        answer = route(await self.locator.by_name(args) if by_uuid else args, context)
        assert isinstance(answer, AsyncGenerator)
        async with aclosing(answer) as items:
            async for item in items:
                yield item


class _Patience:
    """How long a call is tried again that met a volume on its way to another node."""

    def __init__(self, volumes: Volumes) -> None:
        self._volumes = volumes
        self._until = asyncio.get_running_loop().time() + MOVE_SECONDS
        self._pause = FIRST_PAUSE

    async def wait(self, error: Unavailable, *, again: bool = True) -> None:
        """Come to the newest mount table with the node that refused a call by another one, and wait for a newer one.

        Raises:
            Unavailable: it is another error, or was waited for long enough, or may not be tried `again`.
        """
        if not error.details.get("mounted") or self._volumes.table is None:
            raise error
        with suppress(TimeoutError):
            await self._volumes.agree(str(error.details.get("filesystem", "")))
        if not again or asyncio.get_running_loop().time() > self._until:
            raise error
        await self._volumes.wait_newer(self._pause * random.uniform(0.5, 1.0))
        self._pause = min(2 * self._pause, LONGEST_PAUSE)


async def _opened(answer: Awaitable[object]) -> object:
    value = await answer
    return value.open() if isinstance(value, Unopened) else value


def either(first: OneAnswer, second: OneAnswer) -> OneAnswer:
    """Make a route that answers by the first of two functions, unless that gives None."""

    async def answer(args: Arguments, context: Context) -> object:
        found = await first(args, context)
        return await second(args, context) if found is None else found

    return answer
