"""Finding whose a path is: the mount table says which filesystem owns it, and membership which node serves that."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextlib import aclosing, suppress
from functools import partial
from typing import Any, NamedTuple

from ..cluster.peer import Identity
from ..cluster.volume import MountTable, Replica, Volume
from ..context import asker
from ..errors import EmergeError, Invalid, NotFound, PermissionDenied, Unavailable
from ..filesystem import Filesystem
from ..operations import PATHS, Arguments, Context, find_operation
from ..paths import child_path, join_path, split_path
from ..results import PointerRow
from .forward import Forwarder, Holder
from .near import NearReads
from .paths import REGISTRY, held, in_registry, normal
from .stale import reads
from .volumes import INTERNAL, Volumes
from .way_lease import WayLeases


class VolumePart(NamedTuple):
    """What one filesystem has of a subtree: from `path` down."""

    path: str
    filesystem: str


class BorderWay(NamedTuple):
    """The way of a caller to a border through the volume above, and down to which depth they must be able to list."""

    border: Volume
    above: Volume
    down_to: int
    asker: str


class Locator:
    """Finds the owners of paths, and asks them."""

    def __init__(self, filesystem: Filesystem, volumes: Volumes, forwarder: Forwarder, near: NearReads) -> None:
        self.filesystem = filesystem
        self.near = near
        self.volumes = volumes
        self.cluster = volumes.cluster
        self.forwarder = forwarder
        self.leases = WayLeases()

    # --- one owner
    def holder(self, path: str) -> Holder:
        """The node to ask about a path; None for this one.

        Raises:
            Unavailable: no node of its owner is here. The error says so of a path that does not exist, too.
        """
        table = self.volumes.table
        return None if table is None else self.serving(table.volume_of(normal(path)).filesystem, path)

    def serving(self, filesystem: str, path: str) -> Holder:
        """The node that serves a filesystem; None for this one. Raises Unavailable as `holder` does."""
        if filesystem == self.volumes.own:
            return None
        try:
            return self.volumes.serving(filesystem)
        except Unavailable as error:
            (name,) = error.details["missing"]
            how, remedy = "is away", self._remedy(path, name)
            if any(each.filesystem == filesystem for each in self.cluster.view.cut()):
                how, remedy = "cannot be reached from here", "ask at another node: some reach it"
            raise Unavailable(
                f"{path} is on node {name}, which {how}", path=path, remedy=remedy, missing=[name]
            ) from None

    def _remedy(self, path: str, name: str) -> str:
        table = self.volumes.table
        volume = table.volume_of(normal(path)) if table is not None else None
        if table is not None and volume is not None and table.copies(volume.path):
            return f"start node {name} again, or make a copy the owner: emerge promote {volume.path}"
        return f"start node {name} again; until then nothing can be read or stored there"

    async def ask(
        self, path: str, name: str, args: Sequence[object], context: Context, *, unopened: bool = False
    ) -> Any:
        """Run an operation on the filesystem that owns a path; `unopened`: see `Forwarder.ask`.

        What was at a moment is asked of the owners of what is above, where this one had nothing there then.
        """
        await self.check_way(path, context)
        owners = [self._owner(path), *self._before(path, args)]
        return await self._ask_each(owners, path, name, args, context, unopened=unopened)

    async def _ask_each(
        self,
        owners: Sequence[str],
        path: str,
        name: str,
        args: Sequence[object],
        context: Context,
        *,
        unopened: bool = False,
    ) -> object:
        """Ask one filesystem after another, until something is there."""
        absent: NotFound | None = None
        for owner in owners:
            try:
                return await self._ask(path, owner, name, args, context, unopened=unopened)
            except NotFound as error:
                if len(owners) == 1:
                    raise
                absent = absent or error
        assert absent is not None
        raise absent

    def _before(self, path: str, args: Sequence[object]) -> list[str]:
        """The filesystems that may have had at a moment what is in a volume now, if `args` name a moment."""
        table = self.volumes.table
        if table is None or not getattr(args, "as_of", ""):
            return []
        return table.owners_above(normal(path))

    async def _ask(
        self,
        path: str,
        filesystem: str,
        name: str,
        args: Sequence[object],
        context: Context,
        *,
        unopened: bool = False,
    ) -> Any:
        """Run an operation on the owner of a path or, if that is away or the caller prefers it, and it only reads, on a
        copy."""
        near = await self.near.copy(path, filesystem, name, context)
        if near is not None:
            with suppress(Unavailable):  # it has not got that
                return await self.forwarder.ask(near, name, args, context)
        try:
            holder = self.serving(filesystem, path)
            try:
                return await self.forwarder.ask(holder, name, args, context, unopened=unopened)
            finally:
                self.near.saw(context, path)
        except Unavailable as error:
            if not self.away(error) or error.details.get("undecided"):  # a copy knows less
                raise
            for copy in self._copies(path, filesystem, name, context):
                try:
                    return await self.forwarder.ask(copy, name, args, context)
                except Unavailable:
                    continue
            raise

    def _copies(self, path: str, filesystem: str, name: str, context: Context) -> Iterator[Identity]:
        """The copies of a volume that are here and can answer an operation in place of its owner."""
        table = self.volumes.table
        if table is None or not reads(name) or context.transaction:
            return
        yield from self._serving(table.copies(table.volume_of(normal(path)).path))

    def copies(self) -> Iterator[Identity]:
        """The copies of all volumes that are here."""
        table = self.volumes.table
        for volume in () if table is None else table.volumes:
            yield from self._serving(self.volumes.current().copies(volume.path))

    def _serving(self, copies: Iterable[Replica]) -> Iterator[Identity]:
        for copy in copies:
            try:
                yield self.volumes.serving(copy.filesystem)
            except Unavailable:
                continue

    def _owner(self, path: str) -> str:
        table = self.volumes.table
        return self.volumes.own if table is None else table.volume_of(normal(path)).filesystem

    async def stream(
        self, path: str, name: str, args: Sequence[object], context: Context, top: str = ""
    ) -> AsyncGenerator[Any, None]:
        """Yield the items of an operation that streams, from a path's owner; `top`: see `check_way`."""
        await self.check_way(path, context, top)
        near = await self.near.copy(path, self._owner(path), name, context)
        if near is not None:
            begun = False
            try:
                async with aclosing(self.forwarder.stream(near, name, args, context)) as items:
                    async for item in items:
                        begun = True
                        yield item
                return
            except Unavailable:  # it has not got that
                if begun:
                    raise
        try:
            holder = self.holder(path)
        except Unavailable:
            copy = next(self._copies(path, self._owner(path), name, context), None)
            if copy is None:
                raise
            holder = copy
        begun = False
        try:
            async with aclosing(self.forwarder.stream(holder, name, args, context)) as items:
                async for item in items:
                    begun = True
                    yield item
            return
        except NotFound:
            before = self._before(path, args)
            if begun or not before:
                raise
        async with aclosing(self.forwarder.stream(self.serving(before[0], path), name, args, context)) as items:
            async for item in items:
                self.near.saw(context, path)
                yield item

    def others(self) -> list[Identity]:
        """One node for each other filesystem that is here, those among them that were copies and own volumes now."""
        table = self.volumes.table
        found = {peer.filesystem: peer for peer in self.cluster.others()}
        for volume in table.volumes if table is not None else ():
            if table is not None and table.replica(volume.filesystem) is not None:
                with suppress(Unavailable):
                    found[volume.filesystem] = self.volumes.serving(volume.filesystem)
        return list(found.values())

    async def ask_uuid(self, name: str, args: Arguments, context: Context) -> Any:
        """Ask who has the object with a uuid, the own filesystem first.

        Raises:
            NotFound: nobody has it; the error of whom it was removed from, where somebody knows.
            Unavailable: somebody who may have it is away.
        """
        absent: EmergeError | None = None
        away: EmergeError | None = None
        owners = [part.filesystem for part in self.parts("/")]
        for filesystem in dict.fromkeys([self.volumes.own, *owners]):
            try:
                holder = self.serving(filesystem, args.path)
                await self._check_way_to_uuid(holder, args.path, context)
                return await self.forwarder.ask(holder, name, args, context)
            except NotFound as error:
                absent = error if absent is None or error.remedy else absent
            except Unavailable as error:
                if not self.away(error):
                    raise
                away = error
        raise away or absent or NotFound(f"nothing is at {args.path}", path=args.path)

    async def ask_who_has(self, uuid: str, name: str, args: Sequence[object], context: Context) -> object:
        """Ask all filesystems for what only that answers which has an object, or had it when it was removed.

        Raises:
            Unavailable: it is away, or might be: nobody else has it.
        """
        away: EmergeError | None = None
        for filesystem in dict.fromkeys(part.filesystem for part in self.parts("/")):
            try:
                holder = self.serving(filesystem, f"/{REGISTRY}/{uuid}")
                found: object = await self.forwarder.ask(holder, name, args, context)
                return found
            except NotFound:
                continue
            except Unavailable as error:
                if not self.away(error):
                    raise
                away = error
        raise away or NotFound(f"no object has the uuid {uuid}", path=f"/{REGISTRY}/{uuid}")

    async def _check_way_to_uuid(self, holder: Holder, path: str, context: Context) -> None:
        """Check that the caller may come to the volume that an object is in, or was in when it was removed."""
        if context.superuser:
            return
        uuid = split_path(path)[1].partition(".")[0]
        try:
            pointer = await self.forwarder.ask(holder, "get", [join_path(REGISTRY, uuid), 0, ""], INTERNAL)
            where = child_path(pointer["path"], pointer["name"]) if pointer["name"] else "/"
        except NotFound as error:
            if not error.remedy or error.path is None:
                raise
            where = error.path
        await self.check_way(where, context)

    async def by_name(self, args: Arguments) -> Arguments:
        """The arguments of an operation with the paths of objects in place of `/registry/<uuid>`."""
        named = {}
        for parameter in PATHS.intersection(args._fields):
            _, *names = split_path(getattr(args, parameter)) or ("",)
            if names and in_registry(getattr(args, parameter)):
                get = find_operation("get").bind([join_path(REGISTRY, names[0]), 0, getattr(args, "as_of", "")])
                pointer: PointerRow = await self.ask_uuid("get", get, INTERNAL)
                above = split_path(child_path(pointer["path"], pointer["name"])) if pointer["name"] else ()
                named[parameter] = join_path(*above, *names[1:])
        return args._replace(**named)

    async def check_way(self, path: str, context: Context, top: str = "") -> None:
        """Check that the caller may pass through all that is above the volume of a path, where other nodes own it.

        What is found from a directory above, `top`, they must be able to list down to there.

        Raises:
            PermissionDenied: they may not.
            Unavailable: that cannot be known now.
        """
        for lease in self._ways(path, context, top):
            if self.leases.holds(lease):
                continue
            border, above, down_to, *_ = lease
            asked = [border.path, down_to, self.cluster.identity.uuid]
            ask = partial(self._ask, above.path, above.filesystem, "_way", asked, context)
            if above.filesystem == self.volumes.own:
                await ask()
            else:
                await self.leases.take(lease, ask)

    def may_pass(self, path: str, context: Context) -> bool:
        """Tell whether `check_way` is known to pass, without asking anybody."""
        return all(map(self.leases.holds, self._ways(path, context)))

    def _ways(self, path: str, context: Context, top: str = "") -> Iterator[BorderWay]:
        table = self.volumes.table
        if context.superuser or table is None:
            return
        depth = len(split_path(top or path))
        for border in table.borders_above(normal(path)):
            above = table.above(border)
            assert above is not None
            yield BorderWay(border, above, min(depth, border.path.count("/")), asker(context))

    async def held(self, paths: list[str], uuids: list[str]) -> tuple[list[str], list[str]]:
        """Those of the paths and uuids (32 hex digits) that are here now; a path only where this filesystem owns it.

        Raises:
            Unavailable: it is not known of one whether it is still here.
        """
        table = self.volumes.table
        owners = {self.volumes.own, *(volume.filesystem for volume in table.volumes)} if table else {self.volumes.own}
        found: tuple[list[str], list[str]] = ([], [])
        for owner in owners:
            if (local := self.volumes.local(owner)) is not None:
                check = await self.volumes.undecided.check(owner)
                owned = [path for path in paths if table is None or _owner(table, path) == owner]
                for all, some in zip(found, await held(local, owned, uuids, check), strict=True):
                    all += some
        return found

    # --- all that have a part
    def parts(self, path: str) -> list[VolumePart]:
        """What each filesystem has at and below a path, the path's owner first."""
        table = self.volumes.table
        path = normal(path)
        if table is None:
            return [VolumePart(path, self.volumes.own)]
        own = VolumePart(path, table.volume_of(path).filesystem)
        return [own, *(VolumePart(border.path, border.filesystem) for border in table.borders_below(path))]

    def part(self, path: str) -> VolumePart:
        """The part that begins at a path."""
        table = self.volumes.table
        return VolumePart(path, self.volumes.own if table is None else table.volume_of(path).filesystem)

    def name(self, part: VolumePart) -> str:
        """The name of the node that has a part."""
        table = self.volumes.table
        return (
            self.filesystem.node
            if table is None or part.filesystem == self.volumes.own
            else table.name(part.filesystem)
        )

    async def ask_part(self, part: VolumePart, name: str, args: Arguments, context: Context) -> Any:
        """Run an operation, whose arguments have the `path` of all, on one part.

        What was at that path at a moment, and not in its volume yet, is asked of the owners of what is above.
        """
        await self.check_way(part.path, context, args.path)
        before = self._before(part.path, args) if part.path == normal(args.path) else []
        return await self._ask_each([part.filesystem, *before], part.path, name, at(args, part.path), context)

    def away(self, error: BaseException) -> list[str]:
        """The names of the nodes that an error says are away; empty for any other error."""
        if not isinstance(error, Unavailable):
            return []
        return [str(name) for name in error.details.get("missing", [])]

    def is_apart(self, path: str) -> bool:
        """Tell whether another filesystem owns something below a path."""
        table = self.volumes.table
        return table is not None and bool(table.borders_below(normal(path)))

    def volumes_below(self, path: str) -> list[str]:
        """The paths of the volumes below a path, whoever owns them."""
        table = self.volumes.table
        inside = normal(path).rstrip("/") + "/"
        return (
            []
            if table is None
            else sorted(v.path for v in table.volumes if v.path.startswith(inside) and v.path != "/")
        )

    def volume(self, path: str) -> Volume | None:
        """The volume whose top is at a path."""
        table = self.volumes.table
        if table is None:
            return None
        volume = table.volume_of(normal(path))
        return volume if volume.path == normal(path) else None


def _owner(table: MountTable, path: str) -> str:
    try:
        return table.volume_of(normal(path)).filesystem
    except Invalid:
        return ""


def at(args: Arguments, path: str) -> Arguments:
    """The arguments of an operation with a `path`, with another one."""
    return args._replace(path=path)


def is_hidden(error: object) -> bool:
    """Tell whether an error says that there is nothing, or nothing for the caller to see.

    A class that must be sent along is NotFound too, and is not meant.
    """
    return isinstance(error, PermissionDenied) or (isinstance(error, NotFound) and "bundles" not in error.details)
