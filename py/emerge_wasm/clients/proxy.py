"""Proxies: an object used where it lives. Fields are read from there, methods run there; no code is loaded here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import Invalid
from ..objects import Pointer
from ..sync import wait

if TYPE_CHECKING:
    from .client import Client


class Method:
    """A method of an object far away: called, it gives what is to be awaited."""

    def __init__(self, client: Client, path: str, row: dict[str, Any]) -> None:
        self._client = client
        self._path = path
        self.__name__ = row["name"]
        self.__doc__ = row["doc"]
        self._usage = f"{row['name']}{row['signature']}"

    async def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return await self._client.run(self._path, self.__name__, *args, **kwargs)

    def __repr__(self) -> str:
        return f"<{self._usage} of {self._path}>"


class SyncMethod(Method):
    """The same, waiting for the result."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return wait(super().__call__(*args, **kwargs))


class Proxy:
    """`await proxy.price` reads a field, `await proxy.sell(3)` runs a method; to set fields use the client's update."""

    _method: type[Method] = Method

    def __init__(self, client: Client, pointer: Pointer, methods: list[dict[str, Any]], fields: list[str]) -> None:
        rows = {row["name"]: self._method(client, pointer.full_path, row) for row in methods}
        vars(self).update(_client=client, _pointer=pointer, _rows=methods, _methods=rows, _fields=fields)

    def _made_of(self) -> tuple[Client, Pointer, list[dict[str, Any]], list[str]]:
        """The arguments of which another proxy of the same object can be made."""
        return self._client, self._pointer, self._rows, self._fields

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

    def __setattr__(self, name: str, value: Any) -> None:
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
    """`proxy.price` reads a field, `proxy.price = 2.0` sets it, `proxy.sell(3)` runs a method."""

    _method = SyncMethod

    def _read(self, name: str) -> Any:
        return wait(super()._read(name))

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_") or name in self._methods:
            raise Invalid(f"{name} of {self._path} is no field", path=self._path, remedy="set a field")
        wait(self._client.update(self._path, **{name: value}))
