"""Filesystem: the operation table over one store. The modules beside this one implement the operations."""

from __future__ import annotations

import platform
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from contextlib import aclosing
from typing import cast
from uuid import uuid4

from .. import graphql
from ..errors import Conflict, Invalid
from ..operations import Answer, Arguments, Context, Wire, find_operation
from ..results import GraphQLAnswer, NodeInfo
from ..store import Batch, Store
from ..version import package_version
from .archives import export_load
from .blocks.collection import Collection
from .blocks.large_state import with_blocks
from .commit import is_inside, telling
from .core import Core
from .execution import EXECUTION, CodeExecution, packages_of, pythons_of
from .files import download, upload
from .indexes.build import builder
from .layout.log import newest_position
from .layout.migration import migrate
from .layout.moment import Dates, utc_now
from .objects import code, compose, copy, purge, read, reference, retention, write
from .objects.store_queue import StoreQueue
from .quota import USAGE, Quotas, Usage
from .repair import file, keeper, scrubber
from .repair.schedule import ScrubSchedule
from .runner import Runner
from .runs import operations, receipt
from .searches import aggregate, define_index, explain, search, searchtext
from .transactions import call_record, once, transaction
from .tree import directory, move, owner
from .versions import compare, log

FORMAT = b"2"
"""The format of the records in a store (see `layout/record.py`); a store of another format is migrated or refused."""


class Filesystem:
    """Every operation of the table over one store, for one node (or one browser)."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.stores = StoreQueue(core)
        self.builder = builder.Builder(core)
        self.collection = Collection(core.blocks)
        self.scrubber = scrubber.Scrubber(core)
        self.levels = keeper.LevelKeeper(core, self.scrubber.pace)
        core.on_catalogue = self.builder.wake
        core.dispatch = self.dispatch

    @classmethod
    async def open(
        cls,
        store: Store,
        *,
        node: str = "local",
        url: str = "",
        runner: Runner | None = None,
        run_timeout: float = 30.0,
        clock: Callable[[], str] = utc_now,
        poll: float | None = None,
        scrub: ScrubSchedule | None = None,
        quotas: Quotas | None = None,
    ) -> Filesystem:
        """Open the filesystem in an opened store, and create it when the store is empty.

        `run_timeout` and `poll` are in seconds; `poll` is how often a watch looks for changes by other processes.
        `scrub`: how its blocks are read in the background, if they are. `quotas`: what each principal may have of it.
        """
        uuid = await _identify(store)
        whole = with_blocks(store)
        await whole.blocks.begin()
        core = Core(whole, node, uuid, whole.blocks, url, Dates(clock), poll)
        EXECUTION.set(core, CodeExecution(runner, run_timeout))
        USAGE.set(core, Usage(quotas, whole))
        core.position = await newest_position(core.store)
        busy = await builder.has_work(core)
        filesystem = cls(core)
        whole.on_drop = whole.blocks.on_claim = filesystem.collection.wake
        if await whole.blocks.page(limit=1):
            filesystem.collection.wake()
        if busy:
            filesystem.builder.wake()
        filesystem.scrubber.start(scrub)
        if scrub is not None:
            filesystem.levels.start(scrub.rebuild_after)
        return filesystem

    @property
    def node(self) -> str:
        return self.core.node

    @property
    def runner(self) -> Runner | None:
        """The runner of shipped code; None where no code is run."""
        return EXECUTION.of(self.core).runner

    @runner.setter
    def runner(self, runner: Runner | None) -> None:
        EXECUTION.of(self.core).runner = runner

    @property
    def uuid(self) -> str:
        return self.core.uuid

    def dispatch(self, name: str, args: Sequence[object], context: Context | None = None) -> Answer:
        """Run an operation by name; return an awaitable, or an iterator of a stream's items.

        Raises:
            Invalid: the name is unknown or the arguments do not fit; nothing has run.
        """
        row = find_operation(name)
        bound = row.bind(args)
        handler = HANDLERS.get(name)
        if handler is None:
            raise Invalid(f"{name} is not an operation of a single filesystem", remedy="ask a node")
        context = context or Context()
        if context.call_id and row.changes and name not in once.EVERY_TIME:
            return once.call_once(self.core, context, name, handler, bound)
        if context.transaction and name not in transaction.OUTSIDE:
            return transaction.call_inside(self.core, context, handler, bound, whole=name in transaction.WHOLE)
        if name == "store" and self.stores.groups and not is_inside():
            return self.stores.add(context, bound)
        answer: Answer = handler(self.core, context, *bound)
        return telling(cast("Awaitable[object]", answer)) if row.changes and not row.streams else answer

    def read(self, name: str, bound: Arguments, context: Context) -> Coroutine[object, None, object]:
        """Answer an operation that only reads, once, with its arguments as `bind` names them, in no transaction."""
        answer: Coroutine[object, None, object] = HANDLERS[name](self.core, context, *bound)
        return answer

    async def close(self) -> None:
        await self.stores.close()
        await receipt.RECEIPT_WRITER.of(self.core).close(self.core.store)
        transaction.TRANSACTIONS.of(self.core).close()
        await self.builder.close()
        await self.collection.close()
        await self.scrubber.close()
        await self.levels.close()
        await self.core.store.close()


async def _identify(store: Store) -> str:
    """Return the store's uuid; initialise a new store, migrate format 1, and raise Invalid for any other format."""
    keys = [("meta", b"format"), ("meta", b"uuid")]
    format, uuid = await store.get(keys)
    if format is None:
        batch = Batch()
        fresh = uuid4().hex.encode()
        for (space, key), value in zip(keys, (FORMAT, fresh), strict=True):
            batch.expect(space, key, None)
            batch.put(space, key, value)
        try:
            await store.commit(batch)
        except Conflict:  # another process was first
            return await _identify(store)
        return fresh.decode()
    if format == b"1":
        await migrate(store)
        return await _identify(store)
    if format != FORMAT or uuid is None:
        raise Invalid(
            f"this store has format {format.decode(errors='replace')!r}; this Emerge reads {FORMAT.decode()!r}",
            remedy="open it with the Emerge that wrote it",
        )
    return uuid.decode()


async def hello(core: Core, context: Context) -> NodeInfo:
    runner = EXECUTION.of(core).runner
    return {
        "node": core.node,
        "uuid": core.uuid,
        "version": package_version(),
        "store": core.url.split(":", 1)[0],
        "shared": core.store.capabilities.many_writers,
        "durability": core.store.capabilities.durability,
        "largest_batch": core.store.capabilities.largest_batch,
        "isolation": core.store.capabilities.isolation,
        "position": core.position,
        "runs": "" if runner is None else runner.kind,
        "python": platform.python_version(),
        "pythons": pythons_of(core),
        "packages": packages_of(core),
        "principal": context.principal,
        "open": core.is_open,
        **scrubber.summary(core),
    }


async def ask_graphql(
    core: Core, context: Context, path: str, query: str, variables: Wire | None, name: str
) -> GraphQLAnswer:
    assert core.dispatch is not None
    ask = graphql.answer(core.dispatch, context, core.store, path, query, variables, name)
    return await once.answer_once(core, context, "graphql", path, ask) if context.call_id else await ask


async def follow_graphql(
    core: Core, context: Context, path: str, query: str, variables: Wire | None, name: str
) -> AsyncGenerator[GraphQLAnswer, None]:
    assert core.dispatch is not None
    async with aclosing(graphql.follow(core.dispatch, context, core.store, path, query, variables, name)) as answers:
        async for each in answers:
            yield each


HANDLERS: dict[str, transaction.OperationHandler] = {
    "store": write.store,
    "storeall": write.storeall,
    "get": read.get,
    "getobject": read.getobject,
    "objects": read.objects,
    "cat": read.cat,
    "update": write.update,
    "add": compose.add,
    "mixin": compose.mixin,
    "references": reference.references,
    "cp": copy.cp,
    "mv": move.mv,
    "rm": move.rm,
    "mkdir": directory.mkdir,
    "list": directory.list_page,
    "pages": directory.pages,
    "dir": directory.stream_dir,
    "tree": directory.stream_tree,
    "methods": code.methods,
    "help": code.help_text,
    "code": code.code,
    "classes": code.classes,
    "authors": code.authors,
    "versions": read.versions,
    "begin": transaction.begin,
    "commit": transaction.commit,
    "rollback": transaction.rollback,
    "recall": call_record.recall,
    "run": operations.run,
    "runstream": operations.runstream,
    "readobject": operations.readobject,
    "receipts": receipt.receipts,
    "query": operations.query,
    "diff": compare.diff,
    "restore": compare.restore,
    "retain": retention.retain,
    "purge": purge.purge,
    "search": search.search,
    "searchpages": search.searchpages,
    "count": search.count,
    "searchtext": searchtext.searchtext,
    "aggregate": aggregate.aggregate,
    "explain": explain.explain,
    "index": define_index.index,
    "graphql": ask_graphql,
    "subscribe": follow_graphql,
    "chmod": owner.chmod,
    "chown": owner.chown,
    "whoami": owner.whoami,
    "haveblocks": upload.haveblocks,
    "placeblocks": upload.placeblocks,
    "putblocks": upload.putblocks,
    "putfile": upload.putfile,
    "dropblocks": upload.dropblocks,
    "getblocks": download.getblocks,
    "findblocks": download.findblocks,
    "blocks": download.blocks,
    "repair": file.repair,
    "scrub": scrubber.scrub,
    "export": export_load.export,
    "load": export_load.load,
    "changes": log.changes,
    "watch": log.watch,
    "hello": hello,
}
"""Those of the cluster (`nodes`, `volumes`, `mount`…) are not here: a node answers them itself, in front of these."""
