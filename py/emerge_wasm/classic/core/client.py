"""The older project's clients: its call forms over a client of today, of which they have all other methods too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable

from ...clients import SyncClient
from ...clients.connection import opener
from ...clients.transports.address import DEFAULT_PORT, endpoint_of
from ...codec import Reference
from ...errors import Invalid, NotFound
from ...objects import Pointer
from ...operations import Wire

RESULTS = "results"
"""The attribute of a query object that holds what its last query returned."""


@runtime_checkable
class IClient(Protocol):
    """What every client has; `isinstance` looks for the names."""

    def store(self, obj: Any) -> Pointer: ...
    def list(self, path: str = "/", offset: int = 0, size: int = 0) -> list[str]: ...
    def getobject(self, path: str, nodill: bool = False, offset: int = 0, size: int = 0) -> Any: ...
    def get(self, oid: str, offset: int = 0, size: int = 0) -> Wire: ...
    def run(self, oid: str, method: str, data: Any = None) -> Any: ...
    def proxy(self, path: str) -> Any: ...
    def query(self, path: str) -> Any: ...
    def graphql(self, query: str) -> Any: ...
    def hello(self, query: str = "") -> Any: ...
    def register(self, entry: object) -> Any: ...


class Client:
    """A node, by host and port, in the older forms. Connects at the first call."""

    def __init__(self, host: str = "127.0.0.1", port: int | str = DEFAULT_PORT) -> None:
        endpoint = endpoint_of(f"{_reachable(host)}:{port}")
        self._fs = SyncClient(opener(endpoint), f"fs on {endpoint}")

    @classmethod
    def over(cls, fs: SyncClient) -> Client:
        """The older forms over a client of today."""
        client = object.__new__(cls)
        client._fs = fs
        return client

    if not TYPE_CHECKING:  # hidden, so that a type checker reports misspelt methods

        def __getattr__(self, name):
            if name.startswith("__") or name == "_fs":
                raise AttributeError(name)
            return getattr(self._fs, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._fs.close()

    def __repr__(self) -> str:
        return f"<classic {self._fs!r}>"

    def close(self) -> None:
        """Close the connection; the next call makes a new one."""
        self._fs.close()

    # --- objects
    def store(self, obj: Any) -> Pointer:
        """Store an object at its path and name, or id."""
        return self._fs.store(obj)

    def getobject(self, path: str, nodill: bool = False, offset: int = 0, size: int = 0, **reads: Any) -> Any:
        """The object at a path; `nodill`, `offset` and `size` say nothing any more. `reads`: `version=`, `as_of=`."""
        obj = self._fs.getobject(_path(path), **reads)
        results = getattr(obj, RESULTS, None)
        if isinstance(results, list) and RESULTS in vars(obj):
            setattr(obj, RESULTS, self._resolved(results))
        return obj

    def get(self, oid: str, offset: int = 0, size: int = 0) -> Wire:
        """What is at a path, as a map: id, name, path, perms, type, class, size, date, version, source.

        A directory's size is the number of its entries.
        """
        pointer = self._fs.get(_path(oid))
        count = len(self._fs.list(pointer.full_path)) if pointer.is_directory else pointer.size
        source = self._fs.code(pointer.full_path) if pointer.bundle else ""
        return {
            "id": pointer.uuid if pointer.is_directory else self._fs.cat(f"{pointer.full_path}.id"),
            "name": pointer.name,
            "path": pointer.path,
            "perms": pointer.perms,
            "type": pointer.type,
            "class": pointer.class_name,
            "size": count,
            "date": pointer.date,
            "version": pointer.version,
            "source": source,
        }

    def proxy(self, path: str) -> ObjectProxy:
        """The object at a path, where it lives: its methods run there; results of a query are the objects found."""
        return ObjectProxy(self, self._fs.proxy(_path(path)))

    # --- directories
    def list(self, path: str = "/", offset: int = 0, size: int = 0) -> list[str]:
        """The paths in a directory, those of directories after `dir:`: `size` of them (0: all) from `offset`."""
        entries = self._fs.list(_path(path))
        first = 0 if isinstance(offset, bool) else offset  # in a method, the second argument was `nodill`
        if first < 0 or size < 0:
            raise Invalid(f"offset {offset} and size {size} cannot be negative", path=path, remedy="0 is all")
        chosen = entries[first : first + size] if size else entries[first:]
        return [f"dir:{each.full_path}" if each.is_directory else each.full_path for each in chosen]

    def dir(self, path: str = "/") -> Iterator[Any]:
        """The objects in a directory, by name."""
        return self._fs.objects(_path(path))

    # --- running
    def run(self, oid: str, method: str, data: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Run a method where the object lives; `data`, if any, is its first argument."""
        return self._fs.run(_path(oid), method, *(() if data is None and not args else (data, *args)), **kwargs)

    def query(self, path: str) -> Any:
        """Run a query object; what it found, as objects whose methods can be called."""
        return self._resolved(self._fs.query(_path(path)))

    # --- searching
    def index(self, path: str = "/", *fields: str, **options: Any) -> Any:
        """Without fields: the indexes there. They are kept up to date by themselves."""
        return self._fs.index(path, *fields, **options)

    def graphql(self, query: str, path: str = "/", **more: Any) -> Any:
        """The data of the answer to a GraphQL document. Raises Invalid with the first of its errors."""
        answer = self._fs.graphql(query, path, **more)
        errors = answer.get("errors") or []
        if errors:
            raise Invalid(f"GraphQL: {errors[0].get('message')}", remedy="its fields: docs/graphql.md", errors=errors)
        return answer["data"]

    # --- the cluster
    def hello(self, query: str = "") -> Any:
        """Who answers; the caller's address says nothing any more."""
        return self._fs.hello()

    def register(self, entry: object) -> Any:
        """Refused: nodes tell one another what they hold."""
        raise Invalid("nothing is registered by clients", remedy="nodes join: emerge node start --join HOST:PORT")

    def _resolved(self, value: Any) -> Any:
        """References replaced by the objects, in lists and maps; one to what was removed stays."""
        if isinstance(value, Reference):
            try:
                return self._fs.resolve(value)
            except NotFound:
                return value
        if isinstance(value, list | tuple):
            return type(value)(map(self._resolved, value))
        if type(value) is dict:
            return {key: self._resolved(item) for key, item in value.items()}
        return value


Z0RPCClient = Client


class RESTClient(Client):
    """A node or relay, over HTTP, in the older forms: `RESTClient("http://host:8080", token)`."""

    def __init__(self, url: str, token: str | None = None) -> None:
        from ...clients.transports.rest import rest_url

        self._fs = SyncClient(opener(url, token), f"fs on {rest_url(url)}")


class ObjectProxy:
    """A proxy whose values are as the older client gave them."""

    def __init__(self, client: Client, proxy: Any) -> None:
        vars(self).update(_client=client, _proxy=proxy)

    def __getattr__(self, name: str) -> Any:
        return self._client._resolved(getattr(self._proxy, name))

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self._proxy, name, value)

    def __repr__(self) -> str:
        return repr(self._proxy)


def _path(entry: str) -> str:
    """A path, also as `list` gives it."""
    return entry.removeprefix("dir:") if isinstance(entry, str) else entry


def _reachable(host: str) -> str:
    """The address to call; the older project's clients called 0.0.0.0, which only listens."""
    return "127.0.0.1" if host in ("0.0.0.0", "") else host
