"""Client: the operation table as a Python programmer calls it, with objects in place of encoded states.

Async; `sync.py` gives the same without `await`. Talks through any `Transport`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing
from operator import attrgetter
from typing import Any

from ..bundles import capture, load, parse
from ..codec import encode, pack_state, unpack_state
from ..errors import Invalid, NotFound
from ..objects import METADATA, EmergeFile, EmergeObject, Pointer, object_path
from ..operations import Transport, Values, find_operation
from ..paths import split_path

PAGE = 1000
BATCH = 1000
BATCH_BYTES = 4 << 20  # of states: a batch must fit into any transport's message
AT_ONCE = 192
"""Calls of one client that are under way; more wait here, for a relay refuses those beyond 256 (streams count too)."""

_metadata = attrgetter(*METADATA)


class Listing(list[Pointer]):
    """Pointers of a directory, by name. `cursor` continues a limited listing; "" means that it is complete."""

    def __init__(self, pointers: list[Pointer], cursor: str = "") -> None:
        super().__init__(pointers)
        self.cursor = cursor


PLAIN_CLASSES: dict[str, type] = {"EmergeObject": EmergeObject, "EmergeFile": EmergeFile}
"""Classes that every Emerge has, so that their objects need no bundle."""


class Client:
    """A filesystem, wherever it is. Every method raises the errors of `errors.py`."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self._sent: set[str] = set()  # bundles that the other side is known to have
        self._bundles: dict[str, bytes] = {}
        self._loadable: set[str] = set()  # bundles that are here with all they require
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _call(self, operation: str, *args: Any) -> Any:
        try:
            async with self._turns:
                return await self.transport.call(operation, list(args))
        except Invalid:
            _check_paths(operation, args)
            raise

    async def _stream(self, operation: str, *args: Any) -> AsyncGenerator[Any, None]:
        items = self.transport.stream(operation, list(args))
        try:
            async for item in items:
                yield item
        except Invalid:
            _check_paths(operation, args)
            raise
        finally:  # now, not when the garbage collector finds it: it holds a place on the other side
            if isinstance(items, AsyncGenerator):
                await items.aclose()

    # --- objects
    async def store(self, obj: EmergeObject) -> Pointer:
        """Store an object at its `path` and `name` (or `id`); it then knows its uuid, version and date.

        An object that was read (or stored) before carries the version it was read at: Conflict, with both
        states in its details, when there is a newer one. CannotShip names what of its class or state cannot travel.
        """
        bundles: dict[str, bytes] = {}
        pointer = Pointer.from_wire(await self._send("store", _pack(obj, bundles), bundles))
        _set_metadata(obj, pointer)
        return pointer

    async def storeall(self, objects: Iterable[EmergeObject]) -> Listing:
        """Store many objects, each batch (1,000, some 4 MiB) in one commit, all or none of it; their pointers.

        Much quicker than one by one. Errors are those of `store`; earlier batches stay stored.
        """
        pointers = Listing([])
        batch: list[EmergeObject] = []
        rows: list[Values] = []
        bundles: dict[str, bytes] = {}
        size = 0
        for obj in objects:
            rows.append(_pack(obj, bundles))
            batch.append(obj)
            size += len(rows[-1][1])
            if len(batch) == BATCH or size > BATCH_BYTES:
                pointers += await self._store_batch(batch, rows, bundles)
                batch, rows, bundles, size = [], [], {}, 0
        if batch:
            pointers += await self._store_batch(batch, rows, bundles)
        return pointers

    async def _store_batch(
        self, batch: list[EmergeObject], rows: list[Values], bundles: dict[str, bytes]
    ) -> list[Pointer]:
        pointers = [Pointer.from_wire(wire) for wire in await self._send("storeall", [rows], bundles)]
        for obj, pointer in zip(batch, pointers, strict=True):
            _set_metadata(obj, pointer)
        return pointers

    async def _send(self, operation: str, args: Values, bundles: dict[str, bytes]) -> Any:
        """Send along only the bundles that the other side may lack; when it says that it lacks others, all."""
        fresh = {hash: b"" if hash in self._sent else data for hash, data in bundles.items()}
        try:
            wire = await self._call(operation, *args, fresh)
        except NotFound as error:
            if not error.details.get("bundles") or fresh == bundles:
                raise
            wire = await self._call(operation, *args, bundles)
        self._sent.update(bundles)
        return wire

    async def getobject(self, path: str, version: int = 0) -> Any:
        """The object at a path, an instance of the class it was stored with; its code is loaded here.

        Without a class, or for a directory's name, see `cat` and `get`.
        """
        wire = await self._call("getobject", path, version)
        pointer = Pointer.from_wire(wire["pointer"])
        obj = await self.unpack(wire["state"], pointer)
        _set_metadata(obj, pointer)
        return obj

    async def objects(self, path: str = "/") -> AsyncIterator[Any]:
        """Every object in a directory, as instances, fetched by the page."""
        cursor = ""
        while True:
            wire = await self._call("objects", path, cursor, PAGE)
            for row in wire["objects"]:
                pointer = Pointer.from_wire(row["pointer"])
                obj = await self.unpack(row["state"], pointer)
                _set_metadata(obj, pointer)
                yield obj
            cursor = wire["cursor"]
            if not cursor:
                return

    async def unpack(self, state: bytes, pointer: Pointer) -> Any:
        """An instance with this state, its classes (nested ones too) fetched and loaded as needed."""
        cls = await self.load_class(pointer)
        missing: list[str] = []

        def class_of(bundle: str, class_name: str) -> type:
            if bundle not in self._bundles:
                missing.append(bundle)
            return load(bundle, self._bundles.get)

        while True:
            try:
                return unpack_state(state, cls, class_of)
            except NotFound:
                if not missing:
                    raise
                await self.fetch_bundles(missing.pop())

    async def load_class(self, pointer: Pointer) -> type:
        """The class of an object, loaded here from its bundle (fetched when it is not here yet)."""
        if not pointer.bundle:
            return PLAIN_CLASSES.get(pointer.class_name, EmergeFile)
        if pointer.bundle not in self._loadable:  # to look into its bundle for each object would take longest of all
            await self.fetch_bundles(pointer.bundle)
            self._loadable.add(pointer.bundle)
        return load(pointer.bundle, self._bundles.get)

    async def fetch_bundles(self, hash: str) -> dict[str, bytes]:
        """A bundle and all it requires, by hash, here afterwards."""
        wanted = [hash]
        needed: dict[str, bytes] = {}
        while wanted:
            absent = [hash for hash in wanted if hash not in self._bundles]
            if absent:
                self._bundles |= await self._call("classes", absent)
            for hash in wanted:
                if hash not in self._bundles:
                    raise NotFound(f"the class bundle {hash[:12]}… is nowhere to be found")
                needed[hash] = self._bundles[hash]
            wanted = [r for hash in wanted for r in parse(needed[hash], hash).requires if r not in needed]
        return needed

    async def get(self, path: str, version: int = 0) -> Pointer:
        """The pointer at a path; of an older version when one is given."""
        return Pointer.from_wire(await self._call("get", path, version))

    async def cat(self, path: str, version: int = 0) -> Any:
        """The state at a path as plain data, or one property of it (`/a/b.field.0`). No code is loaded."""
        return await self._call("cat", path, version)

    async def update(self, path: str, version: int = 0, /, **changes: Any) -> Pointer:
        """Set fields of an object without loading its class; its new pointer."""
        return Pointer.from_wire(await self._call("update", path, encode(changes), version))

    async def cp(self, source: str, target: str, recursive: bool = False) -> Pointer:
        """Copy an object, or (recursive) a directory, to a path or into a directory."""
        return Pointer.from_wire(await self._call("cp", source, target, recursive))

    async def mv(self, source: str, target: str) -> Pointer:
        """Move an object or a directory to a path or into a directory; uuid and versions stay."""
        return Pointer.from_wire(await self._call("mv", source, target))

    async def rm(self, path: str, recursive: bool = False) -> int:
        """Remove an object or a directory; how many entries went."""
        return int(await self._call("rm", path, recursive))

    # --- directories
    async def mkdir(self, path: str) -> Pointer:
        """Make a directory and those above it."""
        return Pointer.from_wire(await self._call("mkdir", path))

    async def list(self, path: str = "/", cursor: str = "", limit: int | None = None) -> Listing:
        """What is in a directory, by name: all of it, or with `limit` one page, continued from its `cursor`."""
        pointers: Listing = Listing([], cursor)
        while True:
            wire = await self._call("list", path, pointers.cursor, PAGE if limit is None else limit)
            pointers.extend(Pointer.from_wire(entry) for entry in wire["entries"])
            pointers.cursor = wire["cursor"]
            if limit is not None or not pointers.cursor:
                return pointers

    async def dir(self, path: str = "/") -> AsyncIterator[Pointer]:
        """Every pointer in a directory, as a stream."""
        async with aclosing(self._stream("dir", path)) as wires:
            async for wire in wires:
                yield Pointer.from_wire(wire)

    async def tree(self, path: str = "/") -> AsyncIterator[Pointer]:
        """Every pointer below a directory, as a stream, depth first."""
        async with aclosing(self._stream("tree", path)) as wires:
            async for wire in wires:
                yield Pointer.from_wire(wire)

    # --- code
    async def methods(self, path: str) -> Any:
        """[{"name", "signature", "doc", "kind"}…] of an object's class."""
        return await self._call("methods", path)

    async def help(self, path: str, method: str = "") -> str:
        """The documentation of an object's class, or of one method."""
        return str(await self._call("help", path, method))

    async def code(self, path: str, method: str = "") -> str:
        """The source of an object's class, or of one method."""
        return str(await self._call("code", path, method))

    # --- versions and run
    async def versions(self, path: str, before: int = 0, limit: int = 100) -> Any:
        """The versions of an object, newest first: pointers' maps with `author` and `operation`."""
        return await self._call("versions", path, before, limit)

    async def run(self, path: str, method: str, *args: Any, **kwargs: Any) -> Any:
        """Run a method where the object lives; its result. A changed state becomes a version."""
        return await self._call("run", path, method, list(args), kwargs)

    # --- changes and cluster
    async def changes(self, since: int = -1, limit: int = PAGE) -> Any:
        """{"changes", "position"}: the log after a position; -1: only the newest position."""
        return await self._call("changes", since, limit)

    async def watch(self, path: str = "/", since: int = -1) -> AsyncIterator[Any]:
        """The changes at or below a path as they come."""
        async with aclosing(self._stream("watch", path, since)) as changes:
            async for change in changes:
                yield change

    async def hello(self) -> Any:
        """Who answers: node, store, durability, log position."""
        return await self._call("hello")

    async def nodes(self) -> Any:
        """The nodes of the cluster that are here now."""
        return await self._call("nodes")

    async def whohas(self, *paths: str) -> Any:
        """Which nodes hold these paths: {path: node}."""
        return (await self._call("whohas", list(paths)))["paths"]

    async def close(self) -> None:
        await self.transport.close()


def _pack(obj: EmergeObject, bundles: dict[str, bytes]) -> Values:
    """The arguments of `store` for an object but for its bundles, which are added to `bundles`."""
    if not isinstance(obj, EmergeObject):
        raise Invalid(
            f"a {type(obj).__name__} cannot be stored", remedy="derive its class from EmergeFile, with @dataclass"
        )
    if not (obj.name or obj.id):
        raise Invalid(f"this {type(obj).__name__} has neither name nor id", remedy="give it a name")

    def bundle_of(cls: type) -> str:
        captured = capture(cls)
        bundles.update((bundle.hash, bundle.data) for bundle in captured)
        return captured[-1].hash

    state = pack_state(obj, bundle_of)
    bundle = "" if type(obj) in PLAIN_CLASSES.values() else bundle_of(type(obj))
    return [object_path(obj), state, type(obj).__name__, bundle, obj.version, obj.type, obj.perms]


def _check_paths(operation: str, args: tuple[Any, ...]) -> None:
    """Refuse, by name, a path that could not even be written; the transport knows it only as a place in a message."""
    for parameter, value in zip(find_operation(operation).parameters, args, strict=False):
        if parameter.name in ("path", "source", "target"):
            split_path(value)


def _set_metadata(obj: Any, pointer: Pointer) -> None:
    for name, value in zip(METADATA, _metadata(pointer), strict=True):
        object.__setattr__(obj, name, value)
