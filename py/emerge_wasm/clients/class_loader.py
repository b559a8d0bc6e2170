"""Class bundles and metadata of a client's objects.

Classes are captured and sent with stored objects, and fetched and loaded for objects that are read.
"""

from __future__ import annotations

import warnings
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from operator import attrgetter
from typing import TypeVar

from ..built_in import BUILT_IN
from ..bundles import Bundle, capture, current_class, load, parse
from ..bundles.bundle import read_bundle
from ..bundles.grammar import BASE_GRAMMAR
from ..bundles.home import is_current, is_loaded
from ..bundles.load_class import CodeNotAllowed
from ..bundles.needed_python import PYTHON, stored_on_older, version_of
from ..codec import StateReader, unpack_state
from ..codec.attributes import state_of
from ..codec.encoder import BundleOf
from ..errors import Invalid, NotFound
from ..objects import DIRECTORY, METADATA, EmergeFile, EmergeObject, Pointer
from ..operations import OWN, Transport, Wire
from ..results import AuthorMap, AuthorRows, CodeInfo, ObjectRow, PrincipalInfo
from .operations import ClientOperations, WhoseCode
from .remote import remote_operations
from .state_record import StateRecord, make_record, plain_of
from .trust import Trust

T = TypeVar("T")

Bundles = dict[str, bytes]
"""Class bundles by their hashes."""

Metadata = tuple[object, ...]
"""An instance's metadata (path, version…), in the order of METADATA."""

_read_metadata = attrgetter(*METADATA)


class ClassLoader(ClientOperations):
    """A client that keeps track of the class bundles that it has, and of those that the other side has."""

    def __init__(self, transport: Transport, context: Wire | None = None) -> None:
        super().__init__(transport, context)
        self._sent: set[str] = set()  # bundles that the other side is known to have
        self._bundles: Bundles = {}
        self._read: dict[str, Bundle] = {}
        self._loadable: set[str] = set()  # bundles that this client has, with all they require
        self.trusted = Trust()
        self._allowed: set[str] = set()  # bundles whose text may run here
        self._me: PrincipalInfo | None = None
        self._authors: AuthorMap = {}

    async def _send(self, send: Callable[[Bundles], Awaitable[T]], bundles: Bundles) -> T:
        """Send only the bundles that the other side may lack; send all if it reports missing ones."""
        own = bundles.own if isinstance(bundles, CapturedBundles) else set[str]()
        fresh = {hash: b"" if hash in self._sent else data for hash, data in bundles.items()}
        try:
            answer = await send(_standing_for(fresh, own))
        except NotFound as error:
            if not error.details.get("bundles") or fresh == bundles:
                raise
            answer = await send(_standing_for(bundles, own))
        await self._warn_of_older_python(fresh)
        self._sent.update(bundles)
        return answer

    async def _warn_of_older_python(self, fresh: Bundles) -> None:
        """Warn of each class that was sent whose code the Python of the other side cannot run."""
        for bundle in [parse(data) for data in fresh.values() if data and PYTHON > BASE_GRAMMAR]:
            if bundle.content.grammar > BASE_GRAMMAR:
                hello = await self.remote.hello()
                have = max(map(version_of, hello["pythons"]))
                if bundle.content.grammar > have:  # no line of this process says more than the text
                    warnings.warn_explicit(stored_on_older(bundle, have), UserWarning, "emerge", 1)

    async def unpack(self, state: bytes, pointer: Pointer, code: WhoseCode = "stored") -> EmergeObject:
        """An instance with this state, its classes (nested ones too) fetched and loaded as needed; see `getobject`."""
        return await self._unpack(state, pointer, code, KnownClasses())

    async def _unpack(self, state: bytes, pointer: Pointer, code: WhoseCode, known: KnownClasses) -> EmergeObject:
        """The same, where the classes in `known`, by their bundles, are not looked for again; others are added.

        A `StateRecord`, where one of its classes may not run here.
        """
        try:
            return await self._make(state, pointer, code, known)
        except CodeNotAllowed as error:
            return make_record(state, pointer, str(error))

    async def _make(self, state: bytes, pointer: Pointer, code: WhoseCode, known: KnownClasses) -> EmergeObject:
        cls = known.get(pointer.bundle) if pointer.bundle else None
        if cls is None:
            cls = await self.load_class(pointer, code)
            if pointer.bundle:
                known[pointer.bundle] = cls
        missing: list[str] = []

        def class_of(bundle: str, class_name: str) -> type:
            found = known.get(bundle)
            if found is None:
                if bundle not in self._bundles:
                    missing.append(bundle)
                found = known[bundle] = self._class_of(bundle, code)
            return found

        while True:
            try:
                obj: EmergeObject = unpack_state(state, cls, class_of)
                return obj
            except NotFound:
                if not missing:
                    raise
                await self.fetch_bundles(missing.pop())
            except CodeNotAllowed as refused:
                await self._allow(refused)
            except Invalid as error:
                where = error.path or pointer.full_path
                raise Invalid(f"{where}: {error.message}", path=where, remedy=error.remedy, **error.details) from None

    async def load_class(self, pointer: Pointer, code: WhoseCode = "stored") -> type:
        """The class of an object: this program's own where it has the same code (or `code` is "mine"), else loaded from
        its bundle (fetched when it is not here yet).

        CodeNotAllowed, a PermissionDenied: it is of somebody whom the user does not trust (see `trust`)."""
        if not pointer.bundle:
            return BUILT_IN.get(pointer.class_name, EmergeFile)
        if pointer.bundle not in self._loadable:  # parsing the bundle for each object would dominate the cost
            await self.fetch_bundles(pointer.bundle)
            self._loadable.add(pointer.bundle)
        if code == "mine":
            return current_class(self._parsed(pointer.bundle))
        return await self.load_bundle(pointer.bundle)

    async def load_bundle(self, hash: str) -> type:
        """The class of a bundle that this client has, with all that it requires; errors are those of `load_class`."""
        while True:
            try:
                return self._load(hash)
            except CodeNotAllowed as refused:
                await self._allow(refused)

    def _load(self, bundle: str) -> type:
        return load(bundle, self._bundles.get, self._allowed.__contains__)

    async def _allow(self, refused: CodeNotAllowed) -> None:
        """Allow the class that was refused, if somebody stands for it whom the user trusts, or the caller does.

        Raises:
            CodeNotAllowed: nobody does; it says who stands for it and what to do.
        """
        hash = refused.details["bundle"]
        remote = remote_operations(self.transport, {}, self._turns)  # it is not that of whom the caller acts as
        if self._me is None:
            self._me = await remote.whoami()
        if hash not in self._authors:
            try:
                self._authors |= await remote.authors([hash])
            except Invalid:  # a node of an earlier release, which does not know them
                self._authors[hash] = []
        authors = self._authors[hash]
        if not self.trusted.has(hash, authors, self._me):
            message, remedy = _told(self._parsed(hash), authors)
            raise CodeNotAllowed(message, remedy=remedy, bundle=hash)
        self._allowed.add(hash)

    async def trust(self, *who: str) -> None:
        """Let classes of these load into this process, until the connection ends: principals by name, "@" and a group,
        a class by its hash, or "*", everybody. `emerge trust` keeps it for all programs of the user.

        What a class's body does when it loads is done with all rights of this process. The caller's own classes, and
        those that the program has itself, need no trust; nor does what runs on the node.
        """
        self.trusted.add(*who)
        self.trusted.renew()
        self._authors.clear()

    def _class_of(self, bundle: str, code: WhoseCode) -> type:
        """The class of a nested value. One that the program has no more is as it was stored."""
        if code == "mine":
            parsed = self._parsed(bundle)
            with suppress(NotFound):
                return current_class(parsed)
        return self._load(bundle)

    def _parsed(self, hash: str) -> Bundle:
        if hash not in self._read:
            self._read[hash] = read_bundle(hash, self._bundles.get)
        return self._read[hash]

    async def fetch_bundles(self, hash: str) -> Bundles:
        """A bundle and all it requires, by hash; this client has them afterwards."""
        wanted = [hash]
        needed: Bundles = {}
        while wanted:
            absent = [hash for hash in wanted if hash not in self._bundles]
            if absent:
                self._bundles |= await self.remote.classes(absent)
            for hash in wanted:
                if hash not in self._bundles:
                    raise NotFound(f"the class bundle {hash[:12]}… is nowhere to be found")
                needed[hash] = self._bundles[hash]
            wanted = [r for hash in wanted for r in parse(needed[hash], hash).requires if r not in needed]
        return needed


class KnownClasses(dict[str, type]):
    """The classes that rows read together were found to have, by their bundles: to see that none was defined anew takes
    longer than all else."""

    def __init__(self) -> None:
        super().__init__()
        self._readers: dict[str, StateReader] = {}
        self._built_in: dict[str, StateReader] = {}

    def instance(self, row: ObjectRow) -> EmergeObject | None:
        """Make the instance of a row; None where its class is not known yet, or its state does not fit at once."""
        wire = row["pointer"]
        readers, key = (self._readers, wire["bundle"]) if wire["bundle"] else (self._built_in, wire["class_name"])
        reader = readers.get(key)
        if reader is None:
            cls = self.get(key) if wire["bundle"] else BUILT_IN.get(key, EmergeFile)
            if cls is None:
                return None
            reader = readers[key] = StateReader(cls, lambda bundle, name: self[bundle])
        if wire["type"] == DIRECTORY:
            return None
        try:
            obj: EmergeObject = reader.read(row["state"], wire)
        except Exception:  # what is wrong, if anything is, is said where it is read once more
            return None
        return obj


class CapturedBundles(dict[str, bytes]):
    """Bundles of classes that are here. `own` are those of the program's own classes, not loaded from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.own: set[str] = set()


def _standing_for(sent: Bundles, own: Collection[str]) -> Bundles:
    """Return bundles as they are sent, with the note of which of them the caller stands for."""
    stated = [hash for hash in own if sent.get(hash)]
    return {**sent, OWN: "\n".join(stated).encode()} if stated else sent


def _told(bundle: Bundle, authors: AuthorRows) -> tuple[str, str]:
    """Return what is said of a class that may not run here, and what to do about it. (The message, and the remedy.)"""
    names = [row["principal"] for row in authors if row["principal"]]
    whose = f"is by {', '.join(names[:3])}, whom you do not trust" if names else "is by nobody who is known"
    who = names[0] if names else bundle.hash
    return f"the class {bundle.class_name} {whose}, so it was not loaded", f"fs.trust({who!r}), or: emerge trust {who}"


def capturing(bundles: CapturedBundles) -> BundleOf:
    """Return a function that returns a class's bundle hash, and adds all bundles that the class needs to `bundles`."""

    def bundle_of(cls: type) -> str:
        captured = capture(cls)
        bundles.update((bundle.hash, bundle.data) for bundle in captured)
        if not is_loaded(cls):
            bundles.own.add(captured[-1].hash)
        return captured[-1].hash

    return bundle_of


def once_each(bundle_of: BundleOf) -> BundleOf:
    """Return the same function, which asks for each class once: to see that one is unchanged takes longer than to pack
    an instance."""
    known: dict[type, str] = {}

    def of(cls: type) -> str:
        found = known.get(cls)
        if found is None:
            found = known[cls] = bundle_of(cls)
        return found

    return of


def code_of(cls: type) -> CodeInfo:
    """Return which code the instances of a class have."""
    if cls is StateRecord:
        raise Invalid("a record has no code here", remedy="its class was not loaded: see fs.trust")
    if cls in BUILT_IN.values():
        return {"module": cls.__module__, "class_name": cls.__name__, "bundle": "", "whose": "mine"}
    bundle = capture(cls)[-1]
    return {
        "module": bundle.content.module,
        "class_name": bundle.class_name,
        "bundle": bundle.hash,
        "whose": "mine" if is_current(cls) and not is_loaded(cls) else "stored",
    }


def metadata_of(obj: EmergeObject | Pointer) -> Metadata:
    """Return the metadata of an instance or a pointer."""
    metadata: Metadata = _read_metadata(obj)
    return metadata


def set_metadata(obj: EmergeObject, metadata: Metadata) -> None:
    """Set the metadata of an instance, frozen or not."""
    for name, value in zip(METADATA, metadata, strict=True):
        object.__setattr__(obj, name, value)


def set_state(obj: EmergeObject, other: EmergeObject) -> None:
    """Replace an instance's state by another one's, or by that of a record."""
    if isinstance(other, StateRecord) and not isinstance(obj, StateRecord):
        other = plain_of(other)
    for name, value in state_of(other).items():
        object.__setattr__(obj, name, value)
    for name in set(vars(obj)) - set(vars(other)):
        object.__delattr__(obj, name)


class MetadataJournal:
    """Records the metadata of objects before a transaction changes it, to restore it on rollback."""

    def __init__(self) -> None:
        self._before: dict[int, tuple[EmergeObject, Metadata]] = {}

    def keep(self, obj: EmergeObject) -> None:
        """Record an object's metadata, unless an earlier record exists."""
        self._before.setdefault(id(obj), (obj, metadata_of(obj)))

    def restore(self) -> None:
        """Restore the recorded metadata of all objects."""
        for obj, metadata in self._before.values():
            set_metadata(obj, metadata)
