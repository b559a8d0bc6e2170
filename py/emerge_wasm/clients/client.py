"""Client: the operation table as a Python programmer calls it, with objects in place of encoded states.

Async; `sync.py` gives the same without `await`. Talks through any `Transport`. What it asks for stands in `reading.py`
and `searching.py`, what it changes in `writing.py`, what it runs in `running.py`; here is on whose behalf, all or
nothing, and what files and clusters are for.
"""

from __future__ import annotations

from contextlib import aclosing
from copy import copy
from typing import Any

from ..errors import Invalid
from ..operations import Transport, Wire
from . import archive, exchange
from .proxy import Proxy
from .running import Running
from .searches import Searching
from .transaction import Transaction
from .writes import Writing


class Client(Searching, Running, Writing):
    """A filesystem, wherever it is. Every method raises the errors of `errors.py`."""

    def __init__(self, transport: Transport, context: Wire | None = None) -> None:
        super().__init__(transport, context)
        self._parent: Client | None = None

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of the transport; a client made from another leaves that to it."""
        if self._parent is None:
            await self.transport.close()

    # --- on whose behalf
    def within(self, **context: Any) -> Client:
        """A client of the same transport whose calls have this context too (see `context.Context.narrowed`)."""
        client = copy(self)  # what is known of classes is shared, and the turns are
        client.context = {**self.context, **context}
        client._parent = self
        return client

    def as_user(self, name: str, *groups: str) -> Client:
        """A client whose calls are made as that user, in these groups; only a superuser may."""
        return self.within(**{"as": name, "groups": list(groups)})

    def with_umask(self, umask: int | str) -> Client:
        """A client whose new things lack these rights: 0o022, or "----w--w-"."""
        return self.within(umask=read_umask(umask))

    async def whoami(self) -> Any:
        """{"principal", "groups", "superuser", "umask", "via"}: who the other side takes this client for."""
        return await self._call("whoami")

    # --- transactions
    def transaction(self, name: str = "", seconds: int = 60, join: str = "") -> Transaction:
        """A transaction: `async with client.transaction() as tx:`; tx is a client whose changes are made at the end,
        all or none. When the block raises, or is left alone for so many `seconds`, none is made.

        `join` names an open one to take part in; whoever began it ends it. The sync face: `with fs.transaction()`.
        """
        return Transaction(self, name, seconds, join)

    async def begin(self, name: str = "", seconds: int = 60) -> Any:
        """Open a transaction: {"transaction", "seconds", "isolation"}; `transaction(join=name)` takes part in it."""
        return await self._call("begin", name, seconds)

    async def commit(self, transaction: str) -> Any:
        """Make all changes of a transaction at once: {"position", "changes"}. Conflict: none was made."""
        return await self._call("commit", transaction)

    async def rollback(self, transaction: str) -> bool:
        """Drop a transaction with all its changes; whether there was one."""
        return bool(await self._call("rollback", transaction))

    # --- objects where they live
    async def proxy(self, path: str) -> Proxy:
        """The object at a path, where it lives: its fields are read from there, its methods run there.

        `await proxy.price`, `await proxy.sell(3)`; in the sync face `proxy.price`, `proxy.sell(3)`, and
        `proxy.price = 2.0` is an update.
        """
        pointer = await self.get(path)
        methods = await self.methods(path) if pointer.bundle else []
        fields = await self.cat(path) if not pointer.is_directory else {}
        return Proxy(self, pointer, methods, list(fields))

    # --- archives
    async def export(self, path: str, file: archive.File, versions: bool = True) -> Any:
        """Write a tree to one archive: a file's path, or a binary file. Its manifest."""
        async with aclosing(self._stream("export", path, versions)) as records:
            return await archive.write(self, file, path, records)

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

    # --- cluster
    async def hello(self) -> Any:
        """Who answers: node, store, durability, log position."""
        return await self._call("hello")

    async def nodes(self) -> Any:
        """The nodes of the cluster that are here now."""
        return await self._call("nodes")

    async def whohas(self, *paths: str) -> Any:
        """Which nodes hold these paths: {path: node}."""
        return (await self._call("whohas", list(paths)))["paths"]


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
