"""Blocks in the origin's private files (OPFS), a file for each, where a browser offers them to a worker.

The requests are issued by web/opfs.ts, the JavaScript module `emerge_opfs`. A file is written under another name,
flushed, and then given its own: so it is whole or not there. None is held open, so all tabs of an origin use them at
once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Collection, Mapping, Sequence
from typing import Protocol

from ..check import check_block_file
from .buffer import Buffer, cut, mapped, to_buffer, words_of


class _JSFolder(Protocol):
    """An opened folder of web/opfs.ts. Names are joined by line feeds."""

    def put(self, names: str, buffer: object, /) -> Awaitable[object]: ...

    def get(self, names: str, /) -> Awaitable[Buffer]: ...

    def has(self, names: str, /) -> Awaitable[str]: ...

    def delete(self, names: str, /) -> Awaitable[object]: ...

    def page(self, after: str, limit: int, /) -> Awaitable[str]: ...


class OpfsFolder:
    """Files by name, of the store with this name."""

    def __init__(self, name: str, folder: _JSFolder) -> None:
        self._name = name
        self._folder = folder

    @classmethod
    async def open(cls, name: str, durability: str) -> OpfsFolder | None:
        """Open the files of a store; None where the browser has none for us, as in some private windows."""
        try:
            import emerge_opfs
        except ImportError:  # not in a worker, which alone can write them
            return None
        folder = await mapped(name, emerge_opfs.open(name, durability == "disk"))
        return None if folder is None else cls(name, folder)

    @staticmethod
    async def destroy(name: str) -> None:
        """Delete the files of a store."""
        try:
            import emerge_opfs
        except ImportError:
            return
        await mapped(name, emerge_opfs.destroy(name))

    async def put(self, files: Mapping[str, bytes]) -> None:
        for name in files:
            check_block_file(name)
        if files:
            buffer = to_buffer([len(data) for data in files.values()], files.values())
            await mapped(self._name, self._folder.put("\n".join(files), buffer))

    async def get(self, names: Sequence[str]) -> list[bytes | None]:
        if not names:
            return []
        reply = (await mapped(self._name, self._folder.get("\n".join(names)))).to_bytes()
        return cut(reply, words_of(reply))

    async def has(self, names: Sequence[str]) -> list[bool]:
        if not names:
            return []
        return [each == "1" for each in await mapped(self._name, self._folder.has("\n".join(names)))]

    async def delete(self, names: Collection[str]) -> None:
        if names:
            await mapped(self._name, self._folder.delete("\n".join(names)))

    async def page(self, after: str = "", limit: int = 1000) -> list[str]:
        return (await mapped(self._name, self._folder.page(after, limit))).split()
