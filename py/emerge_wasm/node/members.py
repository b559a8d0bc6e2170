"""Operations that ask about the cluster itself: its nodes, who holds what, the classes and changes of all nodes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from itertools import chain

from ..errors import EmergeError, Invalid, Unavailable
from ..operations import Arguments, Context, find_operation
from ..paths import split_path
from ..results import AuthorMap, ChangePage, ChangeRow, HolderMap
from .locate import Locator
from .nodes import NodeRoutes
from .objects import OneAnswer
from .paths import in_registry
from .watch import watch_all
from .way import Ways, passable

log = logging.getLogger("emerge.node")

REGISTRY = "/registry/"


class MemberRoutes:
    """The routes of `whohas`, `classes`, `watch` and `changes`. `get` answers the operation of that name."""

    def __init__(self, locator: Locator, get: OneAnswer, nodes: NodeRoutes) -> None:
        self._locator = locator
        self._nodes = nodes
        self._forwarder = locator.forwarder
        self._cluster = locator.cluster
        self._filesystem = locator.filesystem
        self._get = get

    async def whohas(self, args: Arguments, context: Context) -> HolderMap:
        paths, uuids = list(args.paths), list(args.uuids or [])
        if not all(isinstance(text, str) for text in [*paths, *uuids]):
            raise Invalid("whohas wants lists of paths and uuids", remedy="both are text")
        named = {
            path: uuid for path in paths if (uuid := _uuid_in(path))
        }  # whose volume that is in, only its owner knows
        asked = [path for path in paths if path not in named], [*dict.fromkeys([*uuids, *named.values()])]
        found = await self._cluster.whohas(*asked)
        node, unknown = self._filesystem.node, list[str]()
        try:
            own_paths, own_uuids = await self._locator.held(*asked)
        except Unavailable:
            own_paths, own_uuids, unknown = [], [], [node]
        by_path = {path: holders[0].node for path, holders in found.paths.items()} | dict.fromkeys(own_paths, node)
        by_uuid = {uuid: holders[0].node for uuid, holders in found.uuids.items()} | dict.fromkeys(own_uuids, node)
        by_path, by_uuid = await asyncio.gather(
            self._readable(context, by_path, ""), self._readable(context, by_uuid, REGISTRY)
        )
        answer: HolderMap = {
            "paths": by_path | {path: by_uuid[uuid] for path, uuid in named.items() if uuid in by_uuid},
            "uuids": {uuid: holder for uuid, holder in by_uuid.items() if uuid in uuids},
        }
        missing = {identity.node for identity in found.silent} | {*self._nodes.away(), *unknown}
        return {**answer, "missing": sorted(missing)} if missing else answer

    async def _readable(self, context: Context, found: dict[str, str], prefix: str) -> dict[str, str]:
        """What of it the caller may read."""
        if context.superuser:
            return found
        get = find_operation("get")
        asked = [self._get(get.bind([prefix + name]), context) for name in found]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        return {name: node for (name, node), seen in zip(found.items(), answers, strict=True) if isinstance(seen, dict)}

    async def classes(self, args: Arguments, context: Context) -> dict[str, bytes]:
        """The bundles from here, and the rest from whoever has them, copies of those who are away among them."""
        found: dict[str, bytes] = dict(await self._forwarder.local("classes", args, context))
        for peer in chain(self._locator.others(), self._locator.copies()):
            missing = [hash for hash in args.hashes if hash not in found]
            if not missing:
                break
            try:
                found.update(await self._forwarder.ask(peer, "classes", [missing], context))
            except EmergeError as error:
                log.warning("node %s does not give class bundles: %s", peer.node, error)
        return found

    async def authors(self, args: Arguments, context: Context) -> AuthorMap:
        """Who stands for classes, as all know who are here, and copies of those who are away."""
        found: AuthorMap = await self._forwarder.local("authors", args, context)
        for peer in chain(self._locator.others(), self._locator.copies()):
            try:
                told: AuthorMap = await self._forwarder.ask(peer, "authors", [list(args.hashes)], context)
            except EmergeError as error:  # one of an earlier release does not know of them either
                log.warning("node %s does not say who stands for classes: %s", peer.node, error)
                continue
            for hash, rows in told.items():
                found[hash] += [row for row in rows if row not in found[hash]]
        return found

    def watch(self, args: Arguments, context: Context) -> AsyncIterator[ChangeRow]:
        """The changes of all nodes from now on; from a position on, those of this node's own log."""
        own = self._filesystem.dispatch("watch", args, context)
        assert isinstance(own, AsyncIterator)
        if args.since < 0:
            own = watch_all(
                own,
                self._locator,
                lambda peer, since: self._forwarder.stream(peer, "watch", args._replace(since=since), context),
            )
        return own if context.superuser else passable(own, self._locator, context)

    async def changes(self, args: Arguments, context: Context) -> ChangePage:
        """The changes of this node's own log."""
        page: ChangePage = await self._forwarder.local("changes", args, context)
        ways = Ways(self._locator, context)
        return {**page, "changes": [row for row in page["changes"] if await ways.lead_to(row["path"])]}


def _uuid_in(path: str) -> str:
    """The uuid in `/registry/<uuid>`; "" for any other path, and for what is none."""
    try:
        names = split_path(path)
        return names[1] if in_registry(path) and len(names) == 2 else ""
    except Invalid:
        return ""
