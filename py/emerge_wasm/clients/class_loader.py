"""Class bundles and metadata of a client's objects.

Classes are captured and sent with stored objects, and fetched and loaded for objects that are read.
"""

from __future__ import annotations

import warnings
from collections.abc import Awaitable, Callable
from contextlib import suppress
from operator import attrgetter
from typing import TypeVar

from ..built_in import BUILT_IN
from ..bundles import Bundle, capture, current_class, load, parse
from ..bundles.bundle import read_bundle
from ..bundles.grammar import BASE_GRAMMAR
from ..bundles.home import is_current, is_loaded
from ..bundles.needed_python import PYTHON, stored_on_older, version_of
from ..codec import unpack_state
from ..codec.attributes import state_of
from ..codec.encoder import BundleOf
from ..errors import Invalid, NotFound
from ..objects import METADATA, EmergeFile, EmergeObject, Pointer
from ..operations import Transport, Wire
from ..results import CodeInfo
from .operations import ClientOperations, WhoseCode

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

    async def _send(self, send: Callable[[Bundles], Awaitable[T]], bundles: Bundles) -> T:
        """Send only the bundles that the other side may lack; send all if it reports missing ones."""
        fresh = {hash: b"" if hash in self._sent else data for hash, data in bundles.items()}
        try:
            answer = await send(fresh)
        except NotFound as error:
            if not error.details.get("bundles") or fresh == bundles:
                raise
            answer = await send(bundles)
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
        return await self._unpack(state, pointer, code, {})

    async def _unpack(self, state: bytes, pointer: Pointer, code: WhoseCode, known: dict[str, type]) -> EmergeObject:
        """The same, where the classes in `known`, by their bundles, are not looked for again; others are added."""
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
            except Invalid as error:
                where = error.path or pointer.full_path
                raise Invalid(f"{where}: {error.message}", path=where, remedy=error.remedy, **error.details) from None

    async def load_class(self, pointer: Pointer, code: WhoseCode = "stored") -> type:
        """The class of an object: this program's own where it has the same code (or `code` is "mine"), else loaded from
        its bundle (fetched when it is not here yet)."""
        if not pointer.bundle:
            return BUILT_IN.get(pointer.class_name, EmergeFile)
        if pointer.bundle not in self._loadable:  # parsing the bundle for each object would dominate the cost
            await self.fetch_bundles(pointer.bundle)
            self._loadable.add(pointer.bundle)
        if code == "mine":
            return current_class(self._parsed(pointer.bundle))
        return load(pointer.bundle, self._bundles.get)

    def _class_of(self, bundle: str, code: WhoseCode) -> type:
        """The class of a nested value. One that the program has no more is as it was stored."""
        if code == "mine":
            parsed = self._parsed(bundle)
            with suppress(NotFound):
                return current_class(parsed)
        return load(bundle, self._bundles.get)

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


def capturing(bundles: Bundles) -> BundleOf:
    """Return a function that returns a class's bundle hash, and adds all bundles that the class needs to `bundles`."""

    def bundle_of(cls: type) -> str:
        captured = capture(cls)
        bundles.update((bundle.hash, bundle.data) for bundle in captured)
        return captured[-1].hash

    return bundle_of


def code_of(cls: type) -> CodeInfo:
    """Return which code the instances of a class have."""
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
    """Replace an instance's state by another one's."""
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
