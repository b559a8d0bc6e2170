"""Clients of each kind by name, and filesystems next door on each engine.

A front door like `__init__`, which gives them out: whatever they need is imported when one is made.
"""

from __future__ import annotations

import asyncio
import getpass
from typing import TYPE_CHECKING
from urllib.parse import quote

from .clients import Client, SyncClient
from .clients.connection import opener
from .clients.transports.address import DEFAULT_PORT, endpoint_of
from .errors import Invalid
from .sync import IN_PYODIDE

if TYPE_CHECKING:
    from .filesystem.runner import EvaluateCall, EvaluateOutcome, Host, RunCall, Runner, RunOutcome
    from .rest.node_server import RESTNodeServer as RESTNodeServer
    from .sandbox import Pool


class Z0RPCClient(SyncClient):
    """A node, called over ZeroMQ. Connects at the first call."""

    def __init__(self, host: str = "127.0.0.1", port: int = DEFAULT_PORT) -> None:
        endpoint = endpoint_of(f"{host}:{port}")
        super().__init__(opener(endpoint), f"fs on {endpoint}")


class RESTClient(SyncClient):
    """A node or relay, called over HTTP, at the http:// address `url`. Connects at the first call."""

    def __init__(self, url: str, token: str | None = None) -> None:
        from .clients.transports.rest import rest_url

        super().__init__(opener(url, token), f"fs on {rest_url(url)}")


class _FileSystem(SyncClient):
    """A filesystem next door, on the store that a URL names; opened at the first call, let go of by `close`."""

    schemes: tuple[str, ...] = ()

    def __init__(self, url: str) -> None:
        scheme = url.partition(":")[0].lower()
        if scheme not in self.schemes:
            names = ", ".join(f"{name}:" for name in self.schemes)
            raise Invalid(f"{url!r} is no store of a {type(self).__name__}", remedy=f"its URLs begin with {names}")
        super().__init__(lambda: _open(url), f"fs on {scheme}:")


class SQLFileSystem(_FileSystem):
    """In SQLite or PostgreSQL: `sqlite:///file.db`, `postgresql://user@host/database`, or the path of a SQLite file."""

    schemes = ("sqlite", "postgresql")

    def __init__(self, url: str) -> None:
        super().__init__(url if ":" in url else f"sqlite:///{quote(url)}")


class Z0DBFileSystem(_FileSystem):
    """In a ZODB: a `zodb:` URL, or the path of its file."""

    schemes = ("zodb",)

    def __init__(self, url: str) -> None:
        super().__init__(url if ":" in url else f"zodb:///{quote(url)}")


class S3FileSystem(_FileSystem):
    """In a bucket: `s3://bucket/prefix?endpoint=…`."""

    schemes = ("s3",)


class DynamoDBFileSystem(_FileSystem):
    """In a table: `dynamodb://table?endpoint=…`."""

    schemes = ("dynamodb",)


class IndexedDBFileSystem(_FileSystem):
    """In a browser's database of that name."""

    schemes = ("indexeddb",)

    def __init__(self, name: str) -> None:
        super().__init__(name if ":" in name else f"indexeddb://{quote(name)}")


async def _open(url: str) -> Client:
    from .clients.transports.local import LocalTransport
    from .filesystem import Filesystem
    from .operations import Context
    from .stores import open_store

    class Transport(LocalTransport):
        """Ends the sandbox, too."""

        async def close(self) -> None:
            await super().close()
            await sandbox.close()

    sandbox = _Sandbox()
    filesystem = await Filesystem.open(await open_store(url), url=url, runner=sandbox)
    return Client(Transport(filesystem, Context(_user(), superuser=True, via="local")))


class _Sandbox:
    """What runs methods: processes started at the first run; in a browser the page's own Python."""

    size = 2

    def __init__(self) -> None:
        self._here: Runner | None = None
        self._pool: Pool | None = None
        self._turn = asyncio.Lock()
        if IN_PYODIDE:
            from .clients.transports.host import give_filesystem
            from .filesystem.runs.inside.here import Here

            self._here = Here(given=give_filesystem)

    @property
    def kind(self) -> str:
        runner = self._here or self._pool
        return "sandbox" if runner is None else runner.kind

    async def run(self, call: RunCall, host: Host | None = None) -> RunOutcome:
        return await (await self._runner()).run(call, host)

    async def evaluate(self, call: EvaluateCall) -> EvaluateOutcome:
        return await (await self._runner()).evaluate(call)

    async def _runner(self) -> Runner:
        if self._here is not None:
            return self._here
        async with self._turn:
            if self._pool is None:
                from .sandbox import Pool

                self._pool = await Pool(self.size).start()
        return self._pool

    async def close(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a browser has no users
        return ""


if not TYPE_CHECKING:

    def __getattr__(name):
        if name == "RESTNodeServer":
            from .rest.node_server import RESTNodeServer

            return RESTNodeServer
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
