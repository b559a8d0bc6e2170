"""The async client: the operation table for Python programs, with objects in place of encoded states.

`sync.py` has the same without `await`. It works over any `Transport`. The operations are in `reads.py`, `searches.py`,
`writes.py`, `operations.py` and `plain.py`; this module adds methods that combine several, and the cluster's.
"""

from __future__ import annotations

import re
from copy import copy
from importlib import import_module
from typing import Self, cast

from ..errors import Invalid
from ..operations import Rows
from . import archive, exchange
from .folder import FolderOperations
from .partial import add_missing
from .plain import PlainOperations
from .progress import OnRunProgress, run_with_progress
from .proxy import Proxy, open_proxy
from .remote import ending
from .searches import SearchOperations
from .transaction import ClientTransaction
from .transports.numbered import NumberedTransport
from .writes import WriteOperations

UUID = re.compile(r"[0-9a-fA-F]{32}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class Client(SearchOperations, WriteOperations, FolderOperations, PlainOperations):
    """A filesystem, wherever it is. Every method raises the errors of `errors.py`."""

    # --- on whose behalf
    def as_user(self, name: str, *groups: str) -> Self:
        """A client whose calls are made as that user, in these groups; only a superuser may."""
        return self.within(**{"as": name, "groups": list(groups)})

    def with_umask(self, umask: int | str) -> Self:
        """A client whose new things lack these rights: 0o022, or "----w--w-"."""
        return self.within(umask=read_umask(umask))

    def with_own_rights(self) -> Self:
        """A client whose runs may do all that its caller may. Else they may do only what the object's owner may, too,
        since a method could be anybody's. It counts for the objects that are run, not for others that these run."""
        return self.within(rights="caller")

    def once(self, id: str, note: bytes = b"") -> Self:
        """A client for one change, which is made once however often it is repeated with this id, from wherever: a
        repeated call gets the recorded result. `fs.once("order 17").run("/shop", "sell", 3)`. `note` is recorded too,
        for `recall`."""
        if not id:
            raise Invalid("a call id cannot be empty", remedy="give each call an id of its own: uuid4().hex")
        return self.within(call_id=id, call_note=note) if note else self.within(call_id=id)

    def numbered(self, prefix: str) -> Self:
        """A client each of whose changes is made once, under the id `prefix 1`, `prefix 2`…: work that is begun again
        from its beginning, with the same prefix, changes nothing twice."""
        client = copy(self)
        client.transport = NumberedTransport(self.transport, prefix)
        return client.within()

    # --- transactions
    def transaction(self, name: str = "", seconds: int = 60, join: str = "") -> ClientTransaction[Self]:
        """A transaction: `async with client.transaction() as tx:`; tx is a client whose changes are made at the end,
        all or none. When the block raises, or is left alone for so many `seconds`, none is made.

        `join` names an open one to take part in; whoever began it ends it. The sync face: `with fs.transaction()`.
        """
        return ClientTransaction(self, name, seconds, join)

    # --- objects where they live
    async def proxy(self, path: str) -> Proxy:
        """The object at a path, where it lives: its fields are read from there, its methods run there.

        `await proxy.price`, `await proxy.sell(3)`; in the sync face `proxy.price`, `proxy.sell(3)`, and
        `proxy.price = 2.0` is an update.
        """
        return await open_proxy(self, path, Proxy)

    # --- spread over machines
    async def map(
        self,
        path: str,
        method: str,
        /,
        *args: object,
        engine: str = "",
        id: str = "",
        progress: OnRunProgress | None = None,
        **kwargs: object,
    ) -> Rows:
        """Run a method on all objects in a directory, as `run` does; on the workers of an engine (`dask://host:8786`)
        when one is named: [{"path", "result"} or {"path", "error"}…], by name.

        Each object's run is done once, also when workers or the scheduler die meanwhile; with the same `id` a map that
        was broken off goes on where it was. `progress` is called with "progress" events. See docs/flows.md.
        """
        if not (await self.get(path)).is_directory:
            raise Invalid(f"{path} is an object", path=path, remedy="run its method with run")
        if engine:
            module = import_module("emerge_wasm.flows.object_map")
            work = module.map_objects(self, path, method, (args, kwargs), engine=engine, id=id, progress=progress)
            return cast(Rows, await work)
        if id:
            raise Invalid("a map has an id only on an engine", remedy="use once(id).run, all of it in one transaction")
        return await run_with_progress(self, path, method, list(args), kwargs, progress)

    # --- archives
    async def export(self, path: str, file: archive.ArchiveFile, versions: bool = True) -> archive.Manifest:
        """Write a tree to one archive: a file's path, or a binary file. Its manifest."""
        async with ending(self.remote.export(path, versions)) as records:
            return await archive.write(self, file, path, records)

    async def load(self, file: archive.ArchiveFile, path: str = "/") -> int:
        """Make a tree again below a directory, from an archive, verified before anything is stored; how many."""
        return await archive.read(self, self._holders(), file, path)

    async def export_fields(
        self, path: str, file: exchange.TextFile, format: exchange.Format = "json"
    ) -> exchange.ExportReport:
        """Write the fields of the objects at or below a path for other programs, as "json", "jsonl" or "csv"; how many,
        and what of which field is lost: `report.count`, `report.told()`."""
        return await exchange.export_fields(self, path, file, format)

    async def load_fields(self, file: exchange.TextFile, path: str = "/", format: exchange.Format = "json") -> int:
        """Store an EmergeFile for each row of a file that `export_fields` could have written; `name` is needed. How
        many."""
        return await exchange.load_fields(self, file, path, format)

    async def export_json(self, path: str, file: exchange.TextFile) -> int:
        """Write the objects at or below a path as a JSON list of their fields, for other programs; how many."""
        return (await self.export_fields(path, file, "json")).count

    async def export_csv(self, path: str, file: exchange.TextFile) -> int:
        """Write the objects at or below a path as CSV, a field a column; how many."""
        return (await self.export_fields(path, file, "csv")).count

    async def load_json(self, file: exchange.TextFile, path: str = "/") -> int:
        """Store an EmergeFile for each map of a JSON list, with its fields; `name` is needed. How many."""
        return await self.load_fields(file, path, "json")

    async def load_csv(self, file: exchange.TextFile, path: str = "/") -> int:
        """Store an EmergeFile for each row of a CSV file, its columns as fields; `name` is needed. How many."""
        return await self.load_fields(file, path, "csv")

    # --- cluster

    async def whohas(self, *names: str) -> dict[str, str]:
        """Which nodes hold these, by path or by uuid (32 hex digits): {name: node}. What nobody holds is left out."""
        uuids = {name: name.replace("-", "").lower() for name in names if UUID.fullmatch(name)}
        found = await self.remote.whohas([name for name in names if name not in uuids], list(uuids.values()))
        held = {**found["paths"], **{name: found["uuids"].get(uuid, "") for name, uuid in uuids.items()}}
        if len(holders := {name: held[name] for name in names if held.get(name)}) < len(set(names)):
            add_missing([], found.get("missing", []))
        return holders


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
