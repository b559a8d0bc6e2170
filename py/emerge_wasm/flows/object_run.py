"""Run methods of objects in this process, a worker's: what a directory run does on a node, done here, once for each.

Each object's run has an id. Its changed state is stored under that id with its result as a note, and what it changes
through `fs` has ids made from it; so a run that is repeated, as its worker was lost, changes nothing twice.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from ..clients.client import Client
from ..clients.transports.address import Reach
from ..clients.transports.host import give_filesystem
from ..clients.transports.numbered import NumberedTransport
from ..clients.transports.registry import open_transport
from ..codec import bundles_in, decode, encode
from ..errors import Conflict, EmergeError, Invalid, LimitExceeded, Unavailable
from ..filesystem.runner import RunCall
from ..filesystem.runs.host import CALLS
from ..filesystem.runs.inside.here import Here
from ..operations import Transport, Values, Wire, find_operation
from ..paths import child_path
from ..results import ObjectRow

ATTEMPTS = 5
"""Times that a method is run, each on the newest version, when others change the same fields meanwhile."""

AT_ONCE = 8
"""Runs under way in one batch, so that one waits for the node while another computes."""


Target = tuple[str, int]
"""The path of an object, and its version when the work began."""


@dataclass(frozen=True, slots=True)
class ObjectRun:
    """A method to run on objects, as it goes to a worker: plain data. `arguments` are encoded.

    `fresh`: its id was made for it, so nothing was done before the objects had the versions that their targets say.
    """

    reach: Reach
    context: Wire
    method: str
    arguments: bytes
    id: str
    fresh: bool


class WorkerHost:
    """The Host of a run in this process: the changes that it makes have ids of its own, in their order."""

    def __init__(self, transport: Transport, context: Wire, path: str, id: str) -> None:
        self._transport = NumberedTransport(transport, id)
        self._context = context
        self._path = path
        self._left = CALLS
        self.over = False

    async def call(self, name: str, args: Values, context: Wire | None = None) -> object:
        self._check(name, streams=False)
        return await self._transport.call(name, args, {**self._context, **(context or {})} or None)

    def stream(self, name: str, args: Values, context: Wire | None = None) -> AsyncIterator[object]:
        self._check(name, streams=True)
        return self._transport.stream(name, args, {**self._context, **(context or {})} or None)

    def write(self, text: str) -> None: ...

    def _check(self, name: str, *, streams: bool) -> None:
        if self.over:
            raise Unavailable("the run that this filesystem was for is over", path=self._path)
        if find_operation(name).streams is not streams:
            raise Invalid(f"{name} gives {'no' if streams else 'a'} stream", path=self._path)
        self._left -= 1
        if self._left < 0:
            raise LimitExceeded(
                f"it called the filesystem more than {CALLS} times", path=self._path, limit="filesystem calls"
            )


async def run_object(client: Client, target: Target, run: ObjectRun) -> bytes:
    """Run the method of the object at a path, unless that was done; return its encoded result.

    Raises:
        EmergeError: the method's own error, or why it could not be run.
    """
    path, version = target
    for left in reversed(range(ATTEMPTS)):
        row = await client.remote.getobject(path)
        id = f"{run.id} {row['pointer']['uuid']}"
        if not run.fresh or row["pointer"]["version"] != version:
            known = await client.remote.recall(path, id)
            if known["known"]:
                return known["note"]
        try:
            return await _attempt(client, path, run, row, id)
        except Conflict as error:
            if not left or "theirs" not in error.details:
                raise
    raise AssertionError  # the last attempt returned or raised


async def _attempt(client: Client, path: str, run: ObjectRun, row: ObjectRow, id: str) -> bytes:
    pointer, state = row["pointer"], row["state"]
    bundles: dict[str, bytes] = {}
    for hash in {pointer["bundle"], *bundles_in(state)} - {""}:
        bundles |= await client.fetch_bundles(hash)
        await client.load_bundle(hash)  # which asks whether it may run in this process
    args, kwargs = decode(run.arguments)
    host = WorkerHost(client.transport, client.context, path, id)
    try:
        call = RunCall(path, {**pointer}, state, bundles, run.method, list(args), dict(kwargs), 0.0)
        outcome = await Here(given=give_filesystem).run(call, host)
    finally:
        host.over = True
    result = encode(outcome.result)
    if outcome.state is not None:
        where = child_path(pointer["path"], pointer["name"])
        known = (pointer["class_name"], pointer["bundle"], pointer["version"], pointer["type"])
        once = client.once(id, result)
        await once.remote.store(where, outcome.state, *known, "", None, pointer["uuid"], pointer["node"])
    return result


async def run_batch(client: Client, targets: Sequence[Target], run: ObjectRun) -> list[bytes]:
    """Run the method of several objects; return the encoded row of each: its path, and its result or its error."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(target: Target) -> bytes:
        async with turn:
            try:
                return encode({"path": target[0], "result": decode(await run_object(client, target, run))})
            except EmergeError as error:
                return encode({"path": target[0], "error": error.to_wire()})

    return await asyncio.gather(*map(one, targets))


@dataclass
class _Worker:
    """The event loop of a worker's thread, and its clients: a batch would wait for connections otherwise."""

    runner: asyncio.Runner = field(default_factory=asyncio.Runner)
    clients: dict[Reach, Client] = field(default_factory=dict)

    def client(self, reach: Reach) -> Client:
        if reach not in self.clients:
            self.clients[reach] = Client(open_transport(*reach))
        return self.clients[reach]


_worker = threading.local()


def run_here(run: ObjectRun, targets: Sequence[Target]) -> list[bytes]:
    """Run a batch in this thread, which must have no event loop. What an engine sends to its workers."""
    if not hasattr(_worker, "own"):
        _worker.own = _Worker()
    own: _Worker = _worker.own

    async def work() -> list[bytes]:
        return await run_batch(own.client(run.reach).within(**run.context), targets, run)

    return own.runner.run(work())
