"""Client: the operation table as a Python programmer calls it, with objects in place of encoded states.

Async; `sync.py` gives the same without `await`. Talks through any `Transport`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing
from datetime import datetime
from operator import attrgetter
from typing import Any

from ..bundles import capture, load, parse
from ..codec import Reference, encode, pack_state, unpack_state
from ..codec.shape import state_of
from ..codec.writing import BundleOf
from ..errors import Invalid, LimitExceeded, NotFound
from ..objects import DEFAULT_PERMS, METADATA, EmergeDirectory, EmergeFile, EmergeObject, Pointer, object_path
from ..operations import Transport, Values, Wire, find_operation
from ..paths import split_path
from . import archive, exchange
from .proxy import Proxy
from .transaction import Transaction

PAGE = 1000
BATCH = 1000
BATCH_BYTES = 4 << 20  # of states: a batch must fit into any transport's message
AT_ONCE = 192
"""Calls of one client that are under way; more wait here, for a relay refuses those beyond 256 (streams count too)."""

AsOf = datetime | str | None
"""A moment: with its timezone, or as ISO 8601 text (UTC unless it says otherwise); None is now."""

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

    def __init__(self, transport: Transport, context: Wire | None = None) -> None:
        self.transport = transport
        self.context = context or {}  # on whose behalf, see `Context.narrowed`
        self.kept: dict[int, tuple[Any, tuple[Any, ...]]] | None = None  # in a transaction: metadata before it
        self._parent: Client | None = None
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
                return await self.transport.call(operation, list(args), self.context or None)
        except Invalid:
            _check_paths(operation, args)
            raise

    async def _stream(self, operation: str, *args: Any) -> AsyncGenerator[Any, None]:
        items = self.transport.stream(operation, list(args), self.context or None)
        try:
            async for item in items:
                yield item
        except Invalid:
            _check_paths(operation, args)
            raise
        finally:  # now, not when the garbage collector finds it: it holds a place on the other side
            if isinstance(items, AsyncGenerator):
                await items.aclose()

    # --- on whose behalf
    def within(self, **context: Any) -> Client:
        """A client of the same transport whose calls have this context too (see `context.Context.narrowed`)."""
        client = Client(self.transport, {**self.context, **context})
        client._parent = self
        client._sent, client._bundles, client._loadable = self._sent, self._bundles, self._loadable
        client._turns = self._turns
        client.kept = self.kept
        return client

    def as_user(self, name: str, *groups: str) -> Client:
        """A client whose calls are made as that user, in these groups; only a superuser may."""
        return self.within(**{"as": name, "groups": list(groups)})

    def with_umask(self, umask: int | str) -> Client:
        """A client whose new things lack these rights: 0o022, or "----w--w-"."""
        return self.within(umask=read_umask(umask))

    def transaction(self, name: str = "", seconds: int = 60, join: str = "") -> Transaction:
        """A transaction: `async with client.transaction() as tx:`; tx is a client whose changes are made at the end,
        all or none. When the block raises, or is left alone for so many `seconds`, none is made.

        `join` names an open one to take part in; whoever began it ends it. The sync face: `with fs.transaction()`.
        """
        return Transaction(self, name, seconds, join)

    # --- objects
    async def store(self, obj: EmergeObject) -> Pointer:
        """Store an object at its `path` and `name` (or `id`); it then knows its uuid, version and date.

        An object that was read (or stored) before carries the version it was read at. When there is a newer one,
        what was changed on either side only is merged, and the object is what was stored; otherwise: Conflict, with
        the states in its details. CannotShip names what of its class or state cannot travel.
        """
        if isinstance(obj, EmergeDirectory):
            return await self._store_directory(obj)
        bundles: dict[str, bytes] = {}
        wire = await self._send("store", _pack(obj, bundles), bundles)
        return await self._stored(obj, wire)

    async def _store_directory(self, obj: EmergeDirectory) -> Pointer:
        path = object_path(obj)
        pointer = await self.mkdir(path)
        if obj.perms not in (pointer.perms, DEFAULT_PERMS):
            pointer = await self.chmod(path, obj.perms)
        self._set_metadata(obj, pointer)
        return pointer

    async def _stored(self, obj: EmergeObject, wire: Wire) -> Pointer:
        """Let an object know where it is, and what it is when it was merged."""
        pointer = Pointer.from_wire(wire)
        if "merged" in wire:
            _set_state(obj, await self.unpack(wire["merged"], pointer))
        self._set_metadata(obj, pointer)
        return pointer

    def _set_metadata(self, obj: Any, pointer: Pointer) -> None:
        if self.kept is not None:
            self.kept.setdefault(id(obj), (obj, _metadata(obj)))
        _set_metadata(obj, _metadata(pointer))

    def _forget(self) -> None:
        """Give all objects that this client's transaction stored the metadata that they had before it."""
        for obj, metadata in (self.kept or {}).values():
            _set_metadata(obj, metadata)

    async def storeall(self, objects: Iterable[EmergeObject]) -> Listing:
        """Store many objects, each batch (1,000, some 4 MiB) in one commit, all or none of it; their pointers.

        A store whose commits are smaller (`hello` says how large) gets them in as many as it needs. Much quicker than
        one by one. Errors are those of `store`; earlier batches stay stored.
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
        try:
            wires = await self._send("storeall", [rows], bundles)
        except LimitExceeded as error:  # a store of smaller commits
            if error.details.get("limit") != "largest_batch" or len(batch) == 1:
                raise
            half = len(batch) // 2
            first = await self._store_batch(batch[:half], rows[:half], bundles)
            return first + await self._store_batch(batch[half:], rows[half:], bundles)
        return [await self._stored(obj, wire) for obj, wire in zip(batch, wires, strict=True)]

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

    async def getobject(self, path: str, version: int = 0, as_of: AsOf = None) -> Any:
        """The object at a path, an instance of the class it was stored with; its code is loaded here.

        A directory is an EmergeDirectory. Without loading code: see `cat` and `get`.
        """
        return await self._instance(await self._call("getobject", path, version, moment_text(as_of)))

    async def objects(self, path: str = "/", as_of: AsOf = None) -> AsyncIterator[Any]:
        """Every object in a directory, as instances, fetched by the page."""
        cursor, moment = "", moment_text(as_of)
        while True:
            wire = await self._call("objects", path, cursor, PAGE, moment)
            for row in wire["objects"]:
                yield await self._instance(row)
            cursor = wire["cursor"]
            if not cursor:
                return

    async def _instance(self, wire: Wire) -> Any:
        pointer = Pointer.from_wire(wire["pointer"])
        obj = EmergeDirectory() if pointer.is_directory else await self.unpack(wire["state"], pointer)
        _set_metadata(obj, _metadata(pointer))
        return obj

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

    async def get(self, path: str, version: int = 0, as_of: AsOf = None) -> Pointer:
        """The pointer at a path; of an older version, or a moment, when one is given."""
        return Pointer.from_wire(await self._call("get", path, version, moment_text(as_of)))

    async def cat(self, path: str, version: int = 0, as_of: AsOf = None) -> Any:
        """The state at a path as plain data, or one property of it (`/a/b.field.0`), also of an object that it refers
        to. No code is loaded."""
        return await self._call("cat", path, version, moment_text(as_of))

    async def update(self, path: str, version: int = 0, /, **changes: Any) -> Pointer:
        """Set fields of an object without loading its class; its new pointer."""
        return Pointer.from_wire(await self._call("update", path, encode(changes), version))

    async def add(self, path: str, field: str, *values: Any) -> Pointer:
        """Append values to the list that a field of an object is; its new pointer.

        Objects among them are kept inside this one; References (see `reference`) lead to objects of their own.
        """
        bundles: dict[str, bytes] = {}
        data = encode(list(values), bundle_of=_capturing(bundles))
        return Pointer.from_wire(await self._send("add", [path, field, data], bundles))

    async def mixin(
        self, first: str | EmergeObject, second: str | EmergeObject, class_name: str, name: str, path: str = "/"
    ) -> Pointer:
        """Store, as `name` in `path`, an object of a new class that derives from the classes of two stored objects,
        with the state of both (the first's where both have a field); its pointer."""
        wire = await self._call("mixin", _stored_path(first), _stored_path(second), class_name, name, path)
        return Pointer.from_wire(wire)

    async def reference(self, target: str | EmergeObject | Pointer | Reference) -> Reference:
        """A reference to a stored object (or what is at a path), to be kept in fields of others; it survives moves."""
        if isinstance(target, Reference):
            return target
        uuid = (await self.get(target)).uuid if isinstance(target, str) else target.uuid
        if not uuid:
            raise Invalid(f"this {type(target).__name__} is stored nowhere", remedy="store it, then refer to it")
        return Reference(uuid)

    async def resolve(self, reference: Reference | str, as_of: AsOf = None) -> Any:
        """The object that a reference (or uuid) leads to, wherever it is now. NotFound says where it was removed."""
        uuid = reference.uuid if isinstance(reference, Reference) else reference
        return await self.getobject(f"/registry/{uuid}", as_of=as_of)

    async def references(self, path: str, back: bool = False) -> Listing:
        """The objects that this one refers to, or (`back`) that refer to this one."""
        pointers = Listing([])
        while True:
            wire = await self._call("references", path, back, pointers.cursor, PAGE)
            pointers.extend(Pointer.from_wire(entry) for entry in wire["entries"])
            pointers.cursor = wire["cursor"]
            if not pointers.cursor:
                return pointers

    async def proxy(self, path: str) -> Proxy:
        """The object at a path, where it lives: its fields are read from there, its methods run there.

        `await proxy.price`, `await proxy.sell(3)`; in the sync face `proxy.price`, `proxy.sell(3)`, and
        `proxy.price = 2.0` is an update.
        """
        pointer = await self.get(path)
        methods = await self.methods(path) if pointer.bundle else []
        fields = await self.cat(path) if not pointer.is_directory else {}
        return Proxy(self, pointer, methods, list(fields))

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

    async def list(self, path: str = "/", cursor: str = "", limit: int | None = None, as_of: AsOf = None) -> Listing:
        """What is in a directory, by name: all of it, or with `limit` one page, continued from its `cursor`.

        What may not be read is left out. `/registry` lists every object by uuid, removed ones too.
        """
        pointers: Listing = Listing([], cursor)
        moment = moment_text(as_of)
        while True:
            wire = await self._call("list", path, pointers.cursor, PAGE if limit is None else limit, moment)
            pointers.extend(Pointer.from_wire(entry) for entry in wire["entries"])
            pointers.cursor = wire["cursor"]
            if limit is not None or not pointers.cursor:
                return pointers

    async def dir(self, path: str = "/", as_of: AsOf = None) -> AsyncIterator[Pointer]:
        """Every pointer in a directory, as a stream."""
        async with aclosing(self._stream("dir", path, moment_text(as_of))) as wires:
            async for wire in wires:
                yield Pointer.from_wire(wire)

    async def tree(self, path: str = "/", as_of: AsOf = None) -> AsyncIterator[Pointer]:
        """Every pointer below a directory, as a stream, depth first."""
        async with aclosing(self._stream("tree", path, moment_text(as_of))) as wires:
            async for wire in wires:
                yield Pointer.from_wire(wire)

    # --- code
    async def methods(self, path: str, version: int = 0, as_of: AsOf = None) -> Any:
        """[{"name", "signature", "doc", "kind"}…] of an object's class."""
        return await self._call("methods", path, version, moment_text(as_of))

    async def help(self, path: str, method: str = "", version: int = 0, as_of: AsOf = None) -> str:
        """The documentation of an object's class, or of one method."""
        return str(await self._call("help", path, method, version, moment_text(as_of)))

    async def code(self, path: str, method: str = "", version: int = 0, as_of: AsOf = None) -> str:
        """The source of an object's class, or of one method."""
        return str(await self._call("code", path, method, version, moment_text(as_of)))

    # --- versions and run
    async def versions(self, path: str, before: int = 0, limit: int = 100, as_of: AsOf = None) -> Any:
        """The versions of an object, newest first: pointers' maps with `author` and `operation`."""
        return await self._call("versions", path, before, limit, moment_text(as_of))

    async def diff(self, path: str, before: int, after: int = 0) -> Any:
        """{"before", "after", "fields": [{"field", "before", "after"}…]}: what differs between two versions (0: the
        newest); a field that a version lacks has no such key."""
        return await self._call("diff", path, before, after)

    async def restore(self, path: str, version: int = 0, as_of: AsOf = None) -> Pointer:
        """Make an older version the newest one, by number or moment; or bring back what was removed from a path."""
        return Pointer.from_wire(await self._call("restore", path, version, moment_text(as_of)))

    async def retain(self, path: str, keep: str | None = None) -> str:
        """How many versions of the objects in a directory are kept; with `keep` say so: "all", "10", "30 days", or ""
        to go by the directory above."""
        return str(await self._call("retain", path, keep))

    # --- transactions
    async def begin(self, name: str = "", seconds: int = 60) -> Any:
        """Open a transaction: {"transaction", "seconds", "isolation"}; `transaction(join=name)` takes part in it."""
        return await self._call("begin", name, seconds)

    async def commit(self, transaction: str) -> Any:
        """Make all changes of a transaction at once: {"position", "changes"}. Conflict: none was made."""
        return await self._call("commit", transaction)

    async def rollback(self, transaction: str) -> bool:
        """Drop a transaction with all its changes; whether there was one."""
        return bool(await self._call("rollback", transaction))

    async def run(self, path: str, method: str, *args: Any, **kwargs: Any) -> Any:
        """Run a method where the object lives; its result. A changed state becomes a version."""
        return await self._call("run", path, method, list(args), kwargs)

    # --- access
    async def chmod(self, path: str, perms: str, recursive: bool = False) -> Pointer:
        """Set who may do what: "rwxr-x---", "750" or changes such as "g+w,o-r". Its owner may."""
        return Pointer.from_wire(await self._call("chmod", path, perms, recursive))

    async def chown(self, path: str, owner: str = "", group: str | None = None, recursive: bool = False) -> Pointer:
        """Set the owner ("": leave it) and the group (None: leave it)."""
        return Pointer.from_wire(await self._call("chown", path, owner, group, recursive))

    async def whoami(self) -> Any:
        """{"principal", "groups", "superuser", "umask", "via"}: who the other side takes this client for."""
        return await self._call("whoami")

    # --- archives
    async def export(self, path: str, file: archive.File, versions: bool = True) -> Any:
        """Write a tree to one archive: a file's path, or a binary file. Its manifest."""
        async with aclosing(self._stream("export", path, versions)) as records:
            return await archive.write(self, file, path, records)

    async def load_records(self, path: str, records: Values, bundles: dict[str, bytes]) -> int:
        """Make objects again below a directory from records of the operation `export`, in one commit where the store's
        are large enough; how many."""
        try:
            return int(await self._send("load", [path, records], bundles))
        except LimitExceeded as error:  # a store of smaller commits
            if error.details.get("limit") != "largest_batch" or len(records) == 1:
                raise
            half = len(records) // 2
            first = await self.load_records(path, records[:half], bundles)
            return first + await self.load_records(path, records[half:], bundles)

    async def states(self, path: str = "/") -> AsyncIterator[tuple[str, bytes]]:
        """The name and the encoded state of every object in a directory; no code is loaded."""
        cursor = ""
        while True:
            wire = await self._call("objects", path, cursor, PAGE)
            for row in wire["objects"]:
                yield row["pointer"]["name"], row["state"]
            cursor = wire["cursor"]
            if not cursor:
                return

    async def load(self, file: archive.File, path: str = "/") -> int:
        """Make a tree again below a directory, from an archive, verified before anything is stored; how many."""
        return await archive.read(self, file, path)

    async def export_json(self, path: str, file: exchange.TextFile) -> int:
        """Write the objects at or below a path as a JSON list of their fields, for other programs; how many."""
        return await exchange.export_json(self, path, file)

    async def export_csv(self, path: str, file: exchange.TextFile) -> int:
        """Write the objects at or below a path as CSV, a field a column; how many."""
        return await exchange.export_csv(self, path, file)

    async def load_json(self, file: exchange.TextFile, path: str = "/") -> int:
        """Store an EmergeFile for each map of a JSON list, with its fields; `name` is needed. How many."""
        return await exchange.load_json(self, file, path)

    async def load_csv(self, file: exchange.TextFile, path: str = "/") -> int:
        """Store an EmergeFile for each row of a CSV file, its columns as fields; `name` is needed. How many."""
        return await exchange.load_csv(self, file, path)

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
        """Let go of the transport; a client made from another leaves that to it."""
        if self._parent is None:
            await self.transport.close()


def _pack(obj: EmergeObject, bundles: dict[str, bytes]) -> Values:
    """The arguments of `store` for an object but for its bundles, which are added to `bundles`."""
    if not isinstance(obj, EmergeObject):
        raise Invalid(
            f"a {type(obj).__name__} cannot be stored", remedy="derive its class from EmergeFile, with @dataclass"
        )
    if not (obj.name or obj.id):
        raise Invalid(f"this {type(obj).__name__} has neither name nor id", remedy="give it a name")

    bundle_of = _capturing(bundles)
    state = pack_state(obj, bundle_of)
    bundle = "" if type(obj) in PLAIN_CLASSES.values() else bundle_of(type(obj))
    perms = "" if obj.version == 0 and obj.perms == DEFAULT_PERMS else obj.perms  # "": as the umask says
    return [object_path(obj), state, type(obj).__name__, bundle, obj.version, obj.type, perms]


def _capturing(bundles: dict[str, bytes]) -> BundleOf:
    """A function that gives a class's bundle hash, and adds all that the class needs to `bundles`."""

    def bundle_of(cls: type) -> str:
        captured = capture(cls)
        bundles.update((bundle.hash, bundle.data) for bundle in captured)
        return captured[-1].hash

    return bundle_of


def moment_text(as_of: AsOf) -> str:
    """`as_of` as operations take it; Invalid for a datetime that does not say of which timezone it is."""
    if as_of is None or isinstance(as_of, str):
        return as_of or ""
    if not isinstance(as_of, datetime):
        raise Invalid(f"as_of cannot be {type(as_of).__name__}", remedy="give a datetime, or ISO 8601 text")
    if as_of.utcoffset() is None:
        raise Invalid(
            f"{as_of.isoformat()} does not say of which timezone it is",
            remedy="give it a timezone: datetime.now(UTC), or .astimezone() for local time",
        )
    return as_of.isoformat()


def read_umask(umask: int | str) -> int:
    """A umask as a number: 0o027, "027" or "----w-rwx". Raises Invalid."""
    if isinstance(umask, int) and 0 <= umask <= 0o777:
        return umask
    text = str(umask)
    if len(text) == 9 and all(char in (letter, "-") for char, letter in zip(text, "rwx" * 3, strict=True)):
        return int("".join("0" if char == "-" else "1" for char in text), 2)
    if isinstance(umask, str) and 0 < len(text) <= 4 and set(text) <= set("01234567") and int(text, 8) <= 0o777:
        return int(text, 8)
    raise Invalid(f"{text[:40]!r} is not a umask", remedy='write the rights that new things lack: 027, or "----w-rwx"')


def _stored_path(target: str | EmergeObject) -> str:
    return target if isinstance(target, str) else object_path(target)


def _check_paths(operation: str, args: tuple[Any, ...]) -> None:
    """Refuse, by name, a path that could not even be written; the transport knows it only as a place in a message."""
    for parameter, value in zip(find_operation(operation).parameters, args, strict=False):
        if parameter.name in ("path", "source", "target", "first", "second"):
            split_path(value)


def _set_metadata(obj: Any, values: tuple[Any, ...]) -> None:
    for name, value in zip(METADATA, values, strict=True):
        object.__setattr__(obj, name, value)


def _set_state(obj: Any, other: Any) -> None:
    """Make an instance hold what another one does."""
    for name, value in state_of(other).items():
        object.__setattr__(obj, name, value)
    for name in set(vars(obj)) - set(vars(other)):
        object.__delattr__(obj, name)
