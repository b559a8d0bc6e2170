"""The client's operations that change objects, directories, versions and permissions."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ..built_in import BUILT_IN
from ..codec import bundles_in, encode, pack_state
from ..codec.encoder import BundleOf
from ..errors import Invalid, LimitExceeded
from ..objects import DEFAULT_PERMS, METADATA_TYPES, EmergeDirectory, EmergeObject, Pointer, object_path
from ..operations import Transport, Values, Wire, find_operation
from ..results import PointerRow
from .class_loader import (
    Bundles,
    CapturedBundles,
    ClassLoader,
    MetadataJournal,
    capturing,
    metadata_of,
    once_each,
    set_metadata,
    set_state,
)
from .pointer_reads import AsOf, Listing, moment_text
from .skew import is_of_earlier_release
from .state_record import StateRecord, pack_record, recorded_class


class PackedObject(NamedTuple):
    """The arguments of `store` for one object, without its bundles."""

    path: str
    state: bytes
    class_name: str
    bundle: str
    version: int
    type: str
    perms: str
    uuid: str
    node: str

    def arguments(self, bundles: Bundles | None = None) -> Values:
        return [*self[:-2], bundles, *self[-2:]]


class PackedBatch(NamedTuple):
    """Objects that are stored together, and the arguments of `store` for each."""

    objects: list[EmergeObject]
    rows: list[PackedObject]
    bundles: CapturedBundles


_STORE = find_operation("store")
_USUAL = tuple(METADATA_TYPES.values())

BATCH = 1000
BATCH_BYTES = 4 << 20  # states in one batch, which must fit into any transport's message


class WriteOperations(ClassLoader):
    """The operations that change. In a transaction, `journal` keeps the objects' earlier metadata."""

    def __init__(self, transport: Transport, context: Wire | None = None) -> None:
        super().__init__(transport, context)
        self.journal: MetadataJournal | None = None

    # --- objects
    async def store(self, obj: EmergeObject) -> Pointer:
        """Store an object at its `path` and `name` (or `id`); it then knows its uuid, version and date.

        An object that was read (or stored) before carries the version it was read at. When there is a newer one,
        what was changed on either side only is merged, and the object is what was stored; otherwise: Conflict, with
        the states in its details. CannotShip names what of its class or state cannot travel.
        One that was read from another filesystem is copied: a new object here, which says in its first version where
        it came from, and from then on the object is that one. Conflict, when another object is there.
        """
        if isinstance(obj, EmergeDirectory):
            return await self._store_directory(obj)
        bundles = CapturedBundles()
        packed = _pack(obj, capturing(bundles))
        try:
            row = await self._send(lambda fresh: self.remote.store(*packed.arguments(fresh)), bundles)
        except Invalid as error:
            if not packed.uuid or not is_of_earlier_release(error, obj.node):
                raise
            known = packed._replace(uuid="", node="")  # where it was read: the version says enough
            row = await self._send(lambda fresh: self.remote.store(*known.arguments(fresh)), bundles)
        return await self._stored(obj, row)

    async def _store_directory(self, obj: EmergeDirectory) -> Pointer:
        path = object_path(obj)
        pointer = await self.mkdir(path)
        if obj.perms not in (pointer.perms, DEFAULT_PERMS):
            pointer = await self.chmod(path, obj.perms)
        self._set_metadata(obj, pointer)
        return pointer

    async def _stored(self, obj: EmergeObject, row: PointerRow) -> Pointer:
        """Set an object's metadata after it was stored, and its state if that was merged."""
        pointer = Pointer.from_wire(row)
        if "merged" in row:
            set_state(obj, await self.unpack(row["merged"], pointer))
        return self._set_metadata(obj, pointer)

    def _set_metadata(self, obj: EmergeObject, pointer: Pointer) -> Pointer:
        if self.journal is not None:
            self.journal.keep(obj)
        set_metadata(obj, metadata_of(pointer))
        return pointer

    async def storeall(self, objects: Iterable[EmergeObject]) -> Listing:
        """Store many objects, each batch (1,000, some 4 MiB) in one commit, all or none of it; their pointers.

        A store whose commits are smaller (`hello` says how large) gets them in as many as it needs. Much quicker than
        one by one. Errors are those of `store`; earlier batches stay stored.
        """
        pointers = Listing([])
        sending: asyncio.Task[list[Pointer]] | None = None
        try:
            for batch in _batches(objects):
                if sending is not None:
                    before, sending = sending, None
                    pointers += await before
                sending = asyncio.ensure_future(self._store_batch(batch))
                await asyncio.sleep(0)  # it is sent, and the next one is packed while it is stored
        except Exception:
            if sending is not None:
                await sending
            raise
        except BaseException:
            if sending is not None:
                sending.cancel()
            raise
        if sending is not None:
            pointers += await sending
        return pointers

    async def _store_batch(self, batch: PackedBatch) -> list[Pointer]:
        stored = await store_packed(self, batch.rows, batch.bundles)
        return [
            await self._stored(obj, row) if "merged" in row else self._set_metadata(obj, Pointer.from_wire(row))
            for obj, row in zip(batch.objects, stored, strict=True)
        ]

    async def load_records(self, path: str, records: Values, bundles: Bundles, upload: str = "") -> int:
        """Make objects again below a directory from records of the operation `export`, in one commit where the store's
        are large enough; how many. Blocks of files are sent before, in that `upload`."""
        try:
            return await self._send(lambda fresh: self.remote.load(path, records, fresh, upload), bundles)
        except LimitExceeded as error:  # a store of smaller commits
            if error.details.get("limit") != "largest_batch" or len(records) == 1:
                raise
            half = len(records) // 2
            first = await self.load_records(path, records[:half], bundles, upload)
            return first + await self.load_records(path, records[half:], bundles, upload)

    async def add(self, path: str, field: str, *values: object) -> Pointer:
        """Append values to the list that a field of an object is; its new pointer.

        Objects among them are kept inside this one; References (see `reference`) lead to objects of their own. `record`
        gives a stored object to be kept so.
        """
        bundles = CapturedBundles()
        data = encode(list(values), bundle_of=capturing(bundles))
        for hash in bundles_in(data) - bundles.keys():
            bundles.update(await self.fetch_bundles(hash))
        return Pointer.from_wire(await self._send(lambda fresh: self.remote.add(path, field, data, fresh), bundles))

    async def mixin(
        self, first: str | EmergeObject, second: str | EmergeObject, class_name: str, name: str, path: str = "/"
    ) -> Pointer:
        """Store, as `name` in `path`, an object of a new class that derives from the classes of two stored objects,
        with the state of both (the first's where both have a field); its pointer."""
        return Pointer.from_wire(
            await self.remote.mixin(_stored_path(first), _stored_path(second), class_name, name, path)
        )

    # --- places
    async def mkdir(self, path: str) -> Pointer:
        """Make a directory and those above it."""
        return Pointer.from_wire(await self.remote.mkdir(path))

    async def cp(self, source: str, target: str, recursive: bool = False) -> Pointer:
        """Copy an object, or (recursive) a directory, to a path or into a directory."""
        return Pointer.from_wire(await self.remote.cp(source, target, recursive))

    async def mv(self, source: str, target: str) -> Pointer:
        """Move an object or a directory to a path or into a directory; uuid and versions stay."""
        return Pointer.from_wire(await self.remote.mv(source, target))

    # --- versions
    async def restore(self, path: str, version: int = 0, as_of: AsOf = None) -> Pointer:
        """Make an older version the newest one, by number or moment; or bring back what was removed from a path."""
        return Pointer.from_wire(await self.remote.restore(path, version, moment_text(as_of)))

    # --- access
    async def chmod(self, path: str, perms: str, recursive: bool = False) -> Pointer:
        """Set who may do what: "rwxr-x---", "750" or changes such as "g+w,o-r". Its owner may."""
        return Pointer.from_wire(await self.remote.chmod(path, perms, recursive))

    async def chown(self, path: str, owner: str = "", group: str | None = None, recursive: bool = False) -> Pointer:
        """Set the owner ("": leave it) and the group (None: leave it)."""
        return Pointer.from_wire(await self.remote.chown(path, owner, group, recursive))


async def store_packed(
    client: WriteOperations, rows: list[PackedObject], bundles: Bundles | None = None
) -> list[PointerRow]:
    """Store what is packed, in one commit where the store's are large enough; the new pointers."""
    lists = [_STORE.without_defaults(row.arguments()) for row in rows]
    try:
        return await client._send(lambda fresh: client.remote.storeall(lists, fresh), bundles or {})
    except LimitExceeded as error:  # a store of smaller commits
        if error.details.get("limit") != "largest_batch" or len(rows) == 1:
            raise
        half = len(rows) // 2
        first = await store_packed(client, rows[:half], bundles)
        return first + await store_packed(client, rows[half:], bundles)


def _batches(objects: Iterable[EmergeObject]) -> Iterator[PackedBatch]:
    """Pack objects, so many at a time; the classes of a batch are looked at once."""
    batch = PackedBatch([], [], CapturedBundles())
    bundle_of, size = once_each(capturing(batch.bundles)), 0
    for obj in objects:
        batch.rows.append(_pack(obj, bundle_of))
        batch.objects.append(obj)
        size += len(batch.rows[-1].state)
        if len(batch.rows) == BATCH or size > BATCH_BYTES:
            yield batch
            batch = PackedBatch([], [], CapturedBundles())
            bundle_of, size = once_each(capturing(batch.bundles)), 0
    if batch.rows:
        yield batch


def _pack(obj: EmergeObject, bundle_of: BundleOf) -> PackedObject:
    """Return the arguments of `store` for an object, without the bundles of its classes, which `bundle_of` keeps."""
    if not isinstance(obj, EmergeObject):
        raise Invalid(
            f"a {type(obj).__name__} cannot be stored", remedy="derive its class from EmergeFile, with @dataclass"
        )
    if tuple(map(type, metadata_of(obj))) != _USUAL:  # each by itself takes ten times as long
        for name, wanted in METADATA_TYPES.items():
            if not isinstance(getattr(obj, name), wanted):
                raise _foreign_field(obj, name, wanted)
    if not (obj.name or (obj.id and isinstance(obj.id, str))):
        raise Invalid(f"this {type(obj).__name__} has neither name nor id", remedy="give it a name")

    class_name = type(obj).__name__
    if isinstance(obj, StateRecord):
        class_name, bundle, _ = recorded_class(obj)
        state = pack_record(obj, bundle_of)
    else:
        state = pack_state(obj, bundle_of)
        bundle = "" if type(obj) in BUILT_IN.values() else bundle_of(type(obj))
    perms = "" if obj.version == 0 and obj.perms == DEFAULT_PERMS else obj.perms  # "": as the umask says
    read = (obj.uuid, obj.node) if obj.version else ("", "")
    return PackedObject(object_path(obj), state, class_name, bundle, obj.version, obj.type, perms, *read)


def _foreign_field(obj: EmergeObject, name: str, wanted: type) -> Invalid:
    """Return the error of a class's own field with the name of one that every object has, and no such value in it."""
    class_name, found = type(obj).__name__, type(getattr(obj, name)).__name__
    return Invalid(
        f"the field {name} of this {class_name} is {found}, and in every object it is {wanted.__name__}: what the"
        " filesystem says of it",
        remedy="call a field of your own something else",
    )


def _stored_path(target: str | EmergeObject) -> str:
    return target if isinstance(target, str) else object_path(target)
