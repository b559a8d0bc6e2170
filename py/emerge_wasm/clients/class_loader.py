"""The classes of objects that come and go: captured and sent with them, fetched and loaded for them."""

from __future__ import annotations

from typing import Any

from ..bundles import capture, load, parse
from ..codec import unpack_state
from ..codec.encode import BundleOf
from ..errors import NotFound
from ..objects import EmergeFile, EmergeObject, Pointer
from ..operations import Transport, Values, Wire
from .operations import Calling

PLAIN_CLASSES: dict[str, type] = {"EmergeObject": EmergeObject, "EmergeFile": EmergeFile}
"""Classes that every Emerge has, so that their objects need no bundle."""


class ClassLoader(Calling):
    """Knows which class bundles are here, and which the other side has."""

    def __init__(self, transport: Transport, context: Wire | None = None) -> None:
        super().__init__(transport, context)
        self._sent: set[str] = set()  # bundles that the other side is known to have
        self._bundles: dict[str, bytes] = {}
        self._loadable: set[str] = set()  # bundles that are here with all they require

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


def capturing(bundles: dict[str, bytes]) -> BundleOf:
    """A function that gives a class's bundle hash, and adds all that the class needs to `bundles`."""

    def bundle_of(cls: type) -> str:
        captured = capture(cls)
        bundles.update((bundle.hash, bundle.data) for bundle in captured)
        return captured[-1].hash

    return bundle_of
