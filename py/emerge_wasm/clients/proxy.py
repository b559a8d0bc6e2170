"""Proxies of remote objects: fields are read and methods run where the object lives, and no code is loaded here.

Fields and results may have any type, so they are typed `Any`.
"""

from __future__ import annotations

from typing import Any, TypeVar

from ..errors import Invalid
from ..objects import Pointer
from ..results import MethodRow, MethodRows
from ..sync import wait
from .operations import ClientOperations
from .reads import ReadOperations

P = TypeVar("P", bound="Proxy")


class RemoteMethod:
    """A method of a remote object; calling it returns an awaitable."""

    def __init__(self, client: ClientOperations, path: str, row: MethodRow) -> None:
        self._client = client
        self._path = path
        self.__name__ = row["name"]
        self.__doc__ = row["doc"]
        self._usage = f"{row['name']}{row['signature']}"

    def __call__(self, *args: object, **kwargs: object) -> Any:
        return self._run(args, kwargs)

    async def _run(self, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
        return await self._client.run(self._path, self.__name__, *args, **kwargs)

    def __repr__(self) -> str:
        return f"<{self._usage} of {self._path}>"


class SyncRemoteMethod(RemoteMethod):
    """A method of a remote object; calling it waits for the result."""

    def __call__(self, *args: object, **kwargs: object) -> Any:
        return wait(self._run(args, kwargs))


class Proxy:
    """Proxy of the async client: `await proxy.price` reads a field, `await proxy.sell(3)` runs a method.

    Fields are set by the client's `update`.
    """

    _method: type[RemoteMethod] = RemoteMethod

    def __init__(self, client: ClientOperations, pointer: Pointer, methods: MethodRows, fields: list[str]) -> None:
        rows = {row["name"]: self._method(client, pointer.full_path, row) for row in methods}
        vars(self).update(_client=client, _pointer=pointer, _rows=methods, _methods=rows, _fields=fields)

    @property
    def _path(self) -> str:
        path: str = self._pointer.full_path
        return path

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"a proxy of {self._path} has no {name!r}: what begins with _ is private")
        return self._methods.get(name) or self._read(name)

    def _read(self, name: str) -> Any:
        return self._client.cat(f"{self._path}.{name}")

    def __setattr__(self, name: str, value: object) -> None:
        raise Invalid(
            f"{name} of {self._path} cannot be set without waiting",
            path=self._path,
            remedy=f"await client.update({self._path!r}, {name}=…)",
        )

    def __dir__(self) -> list[str]:
        return sorted({*self._methods, *self._fields})

    def __repr__(self) -> str:
        pointer = self._pointer
        kind = pointer.class_name or pointer.type
        return f"<proxy of {kind} {self._path}" + (f" on {pointer.node}>" if pointer.node else ">")


class SyncProxy(Proxy):
    """Proxy of the sync client: `proxy.price` reads a field, `proxy.price = 2` sets it, `proxy.sell(3)` runs code."""

    _method = SyncRemoteMethod

    def _read(self, name: str) -> Any:
        return wait(self._client.cat(f"{self._path}.{name}"))

    def __setattr__(self, name: str, value: object) -> None:
        if name.startswith("_") or name in self._methods:
            raise Invalid(f"{name} of {self._path} is no field", path=self._path, remedy="set a field")
        wait(self._client.update(self._path, **{name: value}))


async def open_proxy(client: ReadOperations, path: str, kind: type[P]) -> P:
    """Make a proxy of the object at a path."""
    pointer = await client.get(path)
    methods = await client.methods(path) if pointer.bundle else []
    fields = await client.cat(path) if not pointer.is_directory else {}
    return kind(client, pointer, methods, list(fields))
