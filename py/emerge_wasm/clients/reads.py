"""The client's operations that read objects, directories, code, versions and the log of changes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from ..codec import Record, Reference, bundles_in, decode
from ..codec.references import refers_to_itself
from ..errors import EmergeError, ExecutionFailed, Invalid, LimitExceeded, NotFound
from ..objects import METADATA, EmergeDirectory, EmergeObject, Pointer
from ..paths import child_path
from ..results import (
    ChangePage,
    ChangeRow,
    CodeInfo,
    MethodRows,
    ObjectRow,
    PointerRow,
    SearchError,
    VersionDiff,
    VersionRow,
    VersionRows,
)
from .class_loader import ClassLoader, KnownClasses, code_of, metadata_of, set_metadata
from .object_pages import ObjectPages
from .operations import WhoseCode, check_code
from .partial import add_missing
from .pointer_reads import PAGE, AsOf, Listing, PointerReads, moment_text
from .remote import ending

TOGETHER = 200
"""Objects of a page that become instances at a time: what is defined anew meanwhile is seen by the next ones."""

UNLOADABLE = (ExecutionFailed, Invalid, LimitExceeded, NotFound)
"""What a class or a state raises that cannot be loaded."""


def unloaded(row: ObjectRow, error: EmergeError) -> SearchError:
    """Say of an object that its class cannot be loaded, and why."""
    path = child_path(row["pointer"]["path"], row["pointer"]["name"])
    return {"path": path, "error": f"{error.code}: {error.message}"}


class VersionHistory(list[VersionRow]):
    """Versions of an object, the newest first.

    `cut`: there are older ones; `before` is the number to ask for them with. `gone`: how many older ones are no longer
    kept (see `retain`), where it is not cut.
    """

    def __init__(self, rows: VersionRows, cut: bool = False) -> None:
        super().__init__(rows)
        self.cut = cut
        self.before = rows[-1]["version"] if cut else 0
        self.gone = rows[-1]["version"] - 1 if rows and not cut else 0


class ReadOperations(ClassLoader, PointerReads):
    """The operations that read and change nothing. They take `version` (0: the newest) or `as_of`.

    Objects are typed `Any`: they have the class that they were stored with, which no type checker can know. This is the
    program's own class where that has the same code. Where it has not, they have the code as it was stored, or with
    `code="mine"` that of the program's own class as it is now.
    """

    # --- objects
    async def getobject(
        self, path: str, version: int = 0, as_of: AsOf = None, *, code: WhoseCode = "stored", trust: bool = False
    ) -> Any:
        """The object at a path, an instance of the class it was stored with; its code is loaded here.

        Where that is somebody's whom the user does not trust, it is a `StateRecord`, without methods; `trust=True`
        loads these classes all the same, from now on, with all that this process may do. See `trust`.

        `code="mine"`: an instance of the program's own class as it is now, whatever the code was (NotFound: there is
        none). A directory is an EmergeDirectory. Without loading code: see `cat` and `get`.
        """
        check_code(code)
        row = await self.remote.getobject(path, version, moment_text(as_of))
        if trust:
            self.trusted.add(*({row["pointer"]["bundle"], *bundles_in(row["state"])} - {""}))
        return await self._instance(row, code)

    async def record(self, path: str) -> object:
        """The object at a path as a value to be kept in another one (`add`): a copy of its state. No code is loaded.

        Invalid: a directory, or an object whose state leads back to itself.
        """
        row = await self.remote.getobject(path)
        pointer = Pointer.from_wire(row["pointer"])
        if pointer.is_directory or refers_to_itself(row["state"]):
            what = "a directory" if pointer.is_directory else "an object that leads back to itself"
            raise Invalid(
                f"{what}, {path}, cannot be kept in another object", path=path, remedy=f"refer to it: @{path}"
            )
        if not pointer.bundle:
            return await self._instance(row, "stored")
        metadata = dict(zip(METADATA, metadata_of(pointer), strict=True))
        return Record(pointer.class_name, pointer.bundle, {**metadata, **decode(row["state"])})

    async def objects(self, path: str = "/", as_of: AsOf = None, *, code: WhoseCode = "stored") -> AsyncIterator[Any]:
        """Every object in a directory, as instances, fetched by the page, some ahead; see `getobject`.

        ExecutionFailed, after all others, names those whose classes cannot be loaded here.
        """
        check_code(code)
        errors: list[SearchError] = []
        missing: list[str] = []
        taken = False  # whoever takes so many takes more
        pages = ObjectPages(self.remote, self.transport, self.context, path, PAGE, moment_text(as_of))
        try:
            while (page := await pages.take()) is not None:
                add_missing(missing, page.get("missing", ()))
                rows = page["objects"]
                for at in range(0, len(rows), TOGETHER):
                    if taken:
                        await pages.ask()
                    found, failed = await self._instances(rows[at : at + TOGETHER], code)
                    for obj in found:
                        yield obj
                    if failed and code == "mine":
                        raise failed[0][1]
                    errors += [unloaded(row, error) for row, error in failed]
                    taken = True
        finally:
            await pages.close()
        if errors:
            raise ExecutionFailed(
                f"{len(errors)} of the objects cannot be loaded here: {errors[0]['path']}: {errors[0]['error']}",
                path=path,
                remedy="read their states: cat, states",
                first=errors[:10],
            )

    async def states(self, path: str = "/") -> AsyncIterator[tuple[str, bytes]]:
        """The name and the encoded state of every object in a directory; no code is loaded."""
        cursor = ""
        missing: list[str] = []
        while True:
            page = await self.remote.objects(path, cursor, PAGE)
            add_missing(missing, page.get("missing", ()))
            for row in page["objects"]:
                yield row["pointer"]["name"], row["state"]
            cursor = page["cursor"]
            if not cursor:
                return

    async def _instances(
        self, rows: Sequence[ObjectRow], code: WhoseCode
    ) -> tuple[list[EmergeObject], list[tuple[ObjectRow, EmergeError]]]:
        """Instances of some rows, whose classes are looked for once, and those whose classes cannot be loaded: with
        `code="mine"` the first such one, which ends it."""
        found: list[EmergeObject] = []
        failed: list[tuple[ObjectRow, EmergeError]] = []
        known = KnownClasses()
        for row in rows:
            obj = known.instance(row)
            try:
                found.append(await self._instance(row, code, known) if obj is None else obj)
            except UNLOADABLE as error:
                failed.append((row, error))
                if code == "mine":
                    break
        return found, failed

    async def _instance(self, row: ObjectRow, code: WhoseCode, known: KnownClasses | None = None) -> EmergeObject:
        """An instance of a row, with its metadata; its classes are added to those `known` of rows of the same page."""
        pointer = Pointer.from_wire(row["pointer"])
        if pointer.is_directory:
            obj: EmergeObject = EmergeDirectory()
        else:
            obj = await self._unpack(row["state"], pointer, code, KnownClasses() if known is None else known)
        set_metadata(obj, metadata_of(pointer))
        return obj

    async def reference(self, target: str | EmergeObject | Pointer | Reference) -> Reference:
        """A reference to a stored object (or what is at a path), to be kept in fields of others; it survives moves."""
        if isinstance(target, Reference):
            return target
        uuid = (await self.get(target)).uuid if isinstance(target, str) else target.uuid
        if not uuid:
            raise Invalid(f"this {type(target).__name__} is stored nowhere", remedy="store it, then refer to it")
        return Reference(uuid)

    async def resolve(self, reference: Reference | str, as_of: AsOf = None, *, code: WhoseCode = "stored") -> Any:
        """The object that a reference (or uuid) leads to, wherever it is now. NotFound says where it was removed."""
        uuid = reference.uuid if isinstance(reference, Reference) else reference
        return await self.getobject(f"/registry/{uuid}", as_of=as_of, code=code)

    async def references(self, path: str, back: bool = False) -> Listing:
        """The objects that this one refers to, or (`back`) that refer to this one."""
        pointers = Listing([])
        while True:
            page = await self.remote.references(path, back, pointers.cursor, PAGE)
            pointers.add(page)
            if not pointers.cursor:
                return pointers

    # --- directories
    async def dir(self, path: str = "/", as_of: AsOf = None) -> AsyncIterator[Pointer]:
        """Every pointer in a directory, as a stream."""
        async for pointer in _pointers(self.remote.dir(path, moment_text(as_of))):
            yield pointer

    async def tree(self, path: str = "/", as_of: AsOf = None) -> AsyncIterator[Pointer]:
        """Every pointer below a directory, as a stream, depth first."""
        async for pointer in _pointers(self.remote.tree(path, moment_text(as_of))):
            yield pointer

    # --- code
    async def methods(self, path: str, version: int = 0, as_of: AsOf = None) -> MethodRows:
        """[{"name", "signature", "doc", "kind"}…] of an object's class."""
        return await self.remote.methods(path, version, moment_text(as_of))

    async def help(self, path: str, method: str = "", version: int = 0, as_of: AsOf = None) -> str:
        """The documentation of an object's class, or of one method."""
        return await self.remote.help(path, method, version, moment_text(as_of))

    async def code(
        self, path: str, method: str = "", version: int = 0, as_of: AsOf = None, bundle: bool = False
    ) -> str:
        """The source of an object's class, or of one method; with `bundle`, all that was shipped with the class."""
        return await self.remote.code(path, method, version, moment_text(as_of), bundle)

    async def code_of(self, obj: EmergeObject) -> CodeInfo:
        """{"module", "class_name", "bundle", "whose"}: which code an instance has here. `whose` is "mine" for the
        program's own class as it is now, "stored" for any other."""
        return code_of(type(obj))

    # --- versions and changes
    async def versions(self, path: str, before: int = 0, limit: int = 100, as_of: AsOf = None) -> VersionHistory:
        """The versions of an object, newest first: pointers' maps with `author` and `operation`; at most `limit`.

        `cut` says whether there are older ones, which `before=found.before` gives, `gone` how many are no longer kept.
        """
        moment = moment_text(as_of)
        rows = await self.remote.versions(path, before, limit, moment)
        more = rows[-1]["version"] > 1 and len(rows) >= limit if rows else False
        older = await self.remote.versions(path, rows[-1]["version"], 1, moment) if more else []
        return VersionHistory(rows, bool(older))

    async def diff(self, path: str, before: int, after: int = 0) -> VersionDiff:
        """{"before", "after", "fields": [{"field", "before", "after"}…]}: what differs between two versions (0: the
        newest); a field that a version lacks has no such key."""
        return await self.remote.diff(path, before, after)

    async def changes(self, since: int = -1, limit: int = PAGE) -> ChangePage:
        """{"changes", "position"}: the log after a position; -1: only the newest position."""
        return await self.remote.changes(since, limit)

    async def watch(self, path: str = "/", since: int = -1) -> AsyncIterator[ChangeRow]:
        """The changes at or below a path as they come."""
        async with ending(self.remote.watch(path, since)) as changes:
            async for change in changes:
                yield change


async def _pointers(stream: AsyncIterator[PointerRow]) -> AsyncIterator[Pointer]:
    missing: list[str] = []
    async with ending(stream) as rows:
        async for row in rows:
            add_missing(missing, [row["missing"]] if "missing" in row else [])
            yield Pointer.from_wire(row)
