"""Operations on paths: each goes to the node that owns its path; what spans volumes is refused, or done by parts."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from typing import Any, cast

from ..bundles import parse
from ..errors import Conflict, EmergeError, NotFound, PermissionDenied
from ..filesystem.layout.author import are_all_by
from ..filesystem.objects.compose import mix_objects, target_is_there
from ..operations import OWN, Answer, Arguments, Context, Wire, find_operation
from ..paths import check_name, child_path, split_path
from ..results import EntryPage, PointerRow, PurgeInfo
from .batch import Batches, BatchPart
from .cp import CopyRoutes
from .directory import DirectoryRoutes
from .forward import write_context
from .handover import Handovers
from .locate import Locator, VolumePart, at
from .paths import in_registry, normal, path_of_row, readings
from .skew import ask_member
from .volumes import INTERNAL

Route = Callable[[Arguments, Context], Answer]
OneAnswer = Callable[[Arguments, Context], Awaitable[Any]]


class ObjectRoutes:
    """The routes of the operations that name one path, or several."""

    def __init__(
        self, locator: Locator, directories: DirectoryRoutes, handovers: Handovers, copies: CopyRoutes
    ) -> None:
        self._locator = locator
        self._handovers = handovers
        self._cp = copies
        self._batches = Batches(locator.forwarder)
        self._forwarder = locator.forwarder
        self._directories = directories
        self.get = self.follow("get")
        self._follow_references = self.follow("references")
        self._follow_versions = self.follow("versions", unopened=True)

    # --- one path
    def follow(self, name: str, *, unopened: bool = False) -> OneAnswer:
        """Make the route of an operation that runs where its path is; `unopened`: see `Forwarder.ask`."""

        async def follow(args: Arguments, context: Context) -> object:
            if in_registry(args.path):
                return await self._locator.ask_uuid(name, args, context)
            *longer, shortest = readings(args.path, name)
            for path in longer:  # a dot may begin a field, or be part of a name
                if self._locator.part(normal(path)).filesystem != self._locator.part(normal(shortest)).filesystem:
                    try:
                        return await self._locator.ask(path, name, args, context, unopened=unopened)
                    except NotFound:
                        continue
            return await self._locator.ask(shortest, name, args, context, unopened=unopened)

        return follow

    async def versions(self, args: Arguments, context: Context) -> object:
        """Versions of what is at a path, or was at a moment: whoever has it now knows them all."""
        try:
            return await self._follow_versions(args, context)
        except NotFound as error:
            uuid = error.details.get("left")
            if uuid is None:
                raise
            return await self._locator.ask_who_has(uuid, "_history", [uuid, args.before, args.limit], context)

    async def export(self, args: Arguments, context: Context) -> AsyncGenerator[Wire, None]:
        """Export from all who have a part. An archive is whole or none: an owner that is away is an error."""
        top, *below = self._locator.parts(args.path)
        for part in below:
            self._locator.serving(part.filesystem, part.path)
        borders = {part.path.removeprefix(top.path.rstrip("/")) for part in below}
        for part in (top, *below):
            prefix = "" if part == top else part.path.removeprefix(top.path.rstrip("/"))
            stream = self._locator.stream(part.path, "export", at(args, part.path), context)
            async with aclosing(stream) as records:
                async for record in records:
                    if part == top and record["path"] in borders:
                        continue  # a mount point: its owner exports the directory
                    yield {**record, "path": prefix + record["path"].rstrip("/") or "/"} if prefix else record

    async def references(self, args: Arguments, context: Context) -> EntryPage:
        if not args.back:
            page: EntryPage = await self._follow_references(args, context)
            return page
        pointer = await self.get(find_operation("get").bind([args.path]), context)
        return await self._directories.referrers(args, context, pointer)

    def stream(self, name: str) -> Route:
        """Make the route of an operation that streams what is at one path."""

        async def stream(args: Arguments, context: Context) -> AsyncGenerator[object, None]:
            async with aclosing(self._locator.stream(args.path, name, args, context)) as items:
                async for item in items:
                    yield item

        return stream

    def place(self, name: str) -> OneAnswer:
        """Make the route of an operation whose path may be new: its owner alone makes it."""

        async def place(args: Arguments, context: Context) -> object:
            return await self._locator.ask(args.path, name, args, context, unopened=True)

        return place

    def place_all(self, name: str) -> OneAnswer:
        """Make the route of an operation with a list of what goes to many paths."""
        field, join = ("objects", _in_order) if name == "storeall" else ("records", _summed)

        async def place(args: Arguments, context: Context) -> object:
            rows = getattr(args, field)
            paths = [path_of_row(name, args, row) for row in rows]
            owners: dict[str, list[int]] = {}
            for number, path in enumerate(paths):
                owners.setdefault(self._forwarder.uuid(self._locator.holder(path)), []).append(number)
            if len(owners) < 2:
                return await self._locator.ask(paths[0] if paths else "/", name, args, context)
            for path in paths:
                await self._locator.check_way(path, context)
            parts = [
                BatchPart(
                    self._locator.holder(paths[numbers[0]]),
                    args._replace(**{field: [rows[number] for number in numbers]}),
                    paths[numbers[0]],
                )
                for numbers in owners.values()
            ]
            return join(list(owners.values()), await self._batches.run(name, parts, context))

        return place

    # --- on all that have a part
    def change_all(self, name: str) -> OneAnswer:
        """Make the route of an operation that may go on below a path; the answer of the path's owner counts.

        Where an owner is away, nothing is changed. When one fails later, the error says where it was done.
        """

        async def change(args: Arguments, context: Context) -> object:
            top, *below = self._locator.parts(args.path)
            parts = [top, *below] if args.recursive else [top]
            for part in parts:
                self._locator.serving(part.filesystem, part.path)
            answer: object = None
            for number, part in reversed(list(enumerate(parts))):  # the answer of the path's owner comes last
                try:
                    answer = await self._locator.ask_part(part, name, args, context)
                except EmergeError as error:
                    if len(parts) > 1:
                        _tell_apart(error, name, parts[number + 1 :][::-1], parts[number::-1])
                    raise
            return answer

        return change

    async def remove(self, args: Arguments, context: Context) -> int:
        self._check_whole("removed", args.path)
        removed: int = await self._locator.ask(args.path, "rm", args, context)
        return removed

    async def purge(self, args: Arguments, context: Context) -> PurgeInfo:
        """Purge at all who have a part: below a path, where the caller may not come, nothing of theirs is."""
        top, *below = self._locator.parts(args.path)
        for part in below:
            self._locator.serving(part.filesystem, part.path)
        found: PurgeInfo = await self._locator.ask_part(top, "purge", args, context)
        for part in below:
            with suppress(PermissionDenied):
                more: PurgeInfo = await self._locator.ask_part(part, "purge", args, context)
                found = {"purged": found["purged"] + more["purged"], "bytes": found["bytes"] + more["bytes"]}
        return found

    def _check_whole(self, done: str, path: str) -> None:
        """Check that no volume is at or below a path.

        Raises:
            Conflict: there is one.
        """
        volume = self._locator.volume(path)
        inside = [volume.path] if volume and volume.path != "/" else self._locator.volumes_below(path)
        if inside:
            raise Conflict(
                f"{path} cannot be {done}: {inside[0]} is a volume",
                path=path,
                remedy=f"unmount it first: emerge unmount {inside[0]}",
                volumes=inside,
            )

    # --- several paths
    def carry(self, name: str) -> OneAnswer:
        """Make the route of an operation from a source to a target."""

        async def carry(args: Arguments, context: Context) -> object:
            split_path(args.source), split_path(args.target)
            if name == "mv":
                self._check_whole("moved", args.source)
            await self._locator.check_way(args.target, context)
            together = self._together([args.source, args.target])
            if name == "mv" and not together:
                return await self._hand_over(args, context)
            if name == "cp" and not (together and not self._locator.is_apart(args.source)):
                return await self._cp.cp(args.source, args.target, args.recursive, context)
            return await self._locator.ask(args.source, name, args, context)

        return carry

    async def _hand_over(self, args: Arguments, context: Context) -> PointerRow:
        """Move something to another filesystem: the node that has it does."""
        await self._locator.check_way(args.source, context)
        source, target = normal(args.source), normal(args.target)
        filesystem = self._forwarder.uuid(self._locator.holder(target))
        holder = self._locator.holder(source)
        giver = self._forwarder.uuid(holder)
        if holder is None or self._locator.volumes.local(giver) is not None:
            return await self._handovers.move(giver, source, target, filesystem, context)
        sent = [source, target, filesystem, write_context(context), *self._locator.volumes.apart(giver)]
        link = self._locator.cluster.link(holder)
        return cast(PointerRow, await ask_member(link, holder.node, "_handover_move", sent))

    async def mixin(self, args: Arguments, context: Context) -> PointerRow:
        target = child_path(normal(args.path), check_name(args.name))
        for path in (args.second, target):
            await self._locator.check_way(path, context)
        if self._together([args.first, args.second, target]):
            pointer: PointerRow = await self._locator.ask(args.first, "mixin", args, context)
            return pointer
        if await self._is_there(target):
            raise target_is_there(target)
        read = find_operation("getobject")
        found = [
            await self._locator.ask(path, "getobject", read.bind([path]), context) for path in (args.first, args.second)
        ]
        hashes = [row["pointer"]["bundle"] for row in found]
        bundles = await self._cp.classes({hash for hash in hashes if hash})
        classes = [parse(bundles[hash], hash) if hash else None for hash in hashes]
        mixed, state = mix_objects(classes, [row["state"] for row in found], args.class_name, bundles)
        authors = await self._cp.authors({hash for hash in hashes if hash}, context)
        if are_all_by(context.principal, authors):
            bundles[OWN] = mixed.hash.encode()
        sent = [target, state, args.class_name, mixed.hash, 0, "file", "", {**bundles, mixed.hash: mixed.data}]
        stored: PointerRow = await self._locator.ask(target, "store", find_operation("store").bind(sent), context)
        return stored

    async def _is_there(self, path: str) -> bool:
        try:
            await self._locator.ask(path, "get", find_operation("get").bind([path]), INTERNAL)
        except NotFound:
            return False
        return True

    def _together(self, paths: Sequence[str]) -> bool:
        """Tell whether one filesystem owns all of these paths."""
        return len({self._forwarder.uuid(self._locator.holder(path)) for path in paths}) == 1


def _tell_apart(error: EmergeError, name: str, done: Sequence[VolumePart], left: Sequence[VolumePart]) -> None:
    """Add to an error which volumes were changed, and which were not; `left` begins with the one that failed."""
    changed, unchanged = [part.path for part in done], [part.path for part in left]
    unknown = [unchanged.pop(0)] if error.details.get("unknown") else []
    said = ((changed, "was done at"), (unknown, "may have been done at"), (unchanged, "was not done at"))
    error.message += "; " + ", ".join(f"{name} {how} {' and '.join(paths)}" for paths, how in said if paths)
    error.details.update(changed=changed, unchanged=unchanged)


def _in_order(numbers: Sequence[Sequence[int]], answers: Sequence[object]) -> list[object]:
    """The rows of all parts, each in its place."""
    rows: dict[int, object] = {}
    for some, answer in zip(numbers, answers, strict=True):
        assert isinstance(answer, list)
        rows.update(zip(some, answer, strict=True))
    return [rows[number] for number in sorted(rows)]


def _summed(numbers: Sequence[Sequence[int]], answers: Sequence[object]) -> int:
    return sum(answer for answer in answers if isinstance(answer, int))
