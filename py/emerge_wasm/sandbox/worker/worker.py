"""The worker process: confined first, then runs shipped code for the calls on its socket until that is closed.

Forked from the zygote, which has imported all that is needed. Must not import the node, zmq or a web server.
"""

from __future__ import annotations

import resource
import signal
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any

import emerge_wasm

from ... import sync
from ...clients import Client, SyncClient
from ...clients.trust import CONFINED
from ...codec import encode
from ...codec.msgpack_engine import engine
from ...context import Clock
from ...errors import EmergeError, Invalid, LimitExceeded
from ...filesystem.runner import EvaluateCall, RunCall
from ...filesystem.runs.inside.capture import Stop
from ...filesystem.runs.inside.evaluate import evaluate_rows
from ...filesystem.runs.inside.execute import RunLimits, execute_encoded
from ...wire.event import Unopened
from ...wire.server import ServerRequest
from ..confine.confine import Fence, confine
from ..probe import attacks
from ..probe.target import AttackTarget
from ..settings import GIVE, WorkerSettings
from . import loop
from .alarm import Alarm
from .node_connection import NodeConnection, NodeGone, NodeTransport
from .printer import Printer

PAGE = 1024 if sys.platform != "darwin" else 1
"""The unit of `ru_maxrss` on this system, in bytes."""
ROW = 1.0
"""Seconds that an expression may take on one object, so that one endless property does not end a whole search."""
_SPARE = 1 << 16
"""Bytes held in reserve, freed to report that memory is exhausted."""


class Worker:
    """Runs the calls that the node makes."""

    def __init__(self, connection: NodeConnection, alarm: Alarm, limits: RunLimits) -> None:
        self.connection = connection
        self.alarm = alarm
        self.limits = limits
        self.missing: dict[str, str] = {}  # layers that it lacks, with reasons
        self.driver = loop.Driver()
        self.printer = Printer(connection, alarm)
        self.bundles: dict[str, bytes] = {}
        self.client = Client(NodeTransport(connection))
        self.client.trusted = CONFINED  # this process is confined
        self.fs = SyncClient(self._open, "fs")
        self.given: dict[str, Callable[[], object]] = {"fs": lambda: self.fs, "afs": lambda: self.client}
        self._peak = 0  # the peak last reported to the node
        self._spare = bytearray(_SPARE)
        self._calls: dict[str, Callable[..., object]] = {
            "ready": self.ready,
            "run": self.run,
            "evaluate": self.evaluate,
            "probe": self.probe,
        }
        vars(emerge_wasm).update(fs=self.fs, afs=self.client)
        sync.drive = sync.run_straight

    async def _open(self) -> Client:
        return self.client

    def serve(self) -> None:
        """Answer calls, one after another, until the node closes the socket."""
        while True:
            request = self.connection.next_request()
            if not self.try_to_answer(request):  # outside the handler: the call's memory is freed by now
                self._spare.clear()
                self.connection.send_item(-1)
                self.connection.send_error(LimitExceeded("it needs more memory than it may have", limit="memory"))

    def try_to_answer(self, request: ServerRequest) -> bool:
        """Answer a call. Return False when there was not enough memory to report its error."""
        try:
            self.answer(request)
        except MemoryError:
            return False
        return True

    def answer(self, request: ServerRequest) -> None:
        try:
            result = self._call(request)
        except EmergeError as error:
            self.tell_peak()
            self.connection.send_error(error)
        else:
            self.tell_peak()
            self.connection.send_result(result)

    def _call(self, request: ServerRequest) -> object:
        call = self._calls.get(request.name)
        if call is None:
            raise Invalid(f"a worker has no call {request.name!r}")
        try:
            return call(*request.args)
        except Stop as late:  # the alarm fired during the call's cleanup
            raise LimitExceeded(late.message, limit=late.limit) from None
        finally:
            self.alarm.stop()

    # --- the calls
    def ready(self) -> list[object]:
        self._peak = self.peak()
        return [self.missing, self._peak]

    def run(
        self,
        path: str,
        pointer: dict[str, Any],
        state: bytes,
        new: dict[str, bytes],
        hashes: list[str],
        method: str,
        timeout: float,
        processor: float,
        args: list[object],
        kwargs: dict[str, Any],
    ) -> Unopened:
        call = RunCall(path, pointer, state, self.learn(new, hashes), method, args, kwargs, timeout)
        try:
            self.alarm.start(timeout, processor)
            done = execute_encoded(call, self.driver.run, self.limits, self.given, self.printer.write, self.give)
        finally:
            self.alarm.stop()
            self.printer.flush()
        return Unopened(engine.packb([done.result, done.state, done.milliseconds]))

    async def give(self, part: bytes) -> None:
        """Give the reader a part, and wait until it wants the next one. Coroutines block here."""
        self.connection.call(GIVE, [part])
        self.alarm.renew()

    def evaluate(
        self,
        expression: dict[str, Any],
        rows: list[list[Any]],
        new: dict[str, bytes],
        hashes: list[str],
        timeout: float,
        processor: float,
        clock: list[Any] | None = None,
    ) -> bytes:
        pairs = [(pointer, state) for pointer, state in rows]
        taken = Clock(*clock) if clock is not None else None
        call = EvaluateCall(expression, pairs, self.learn(new, hashes), timeout, clock=taken)
        try:
            self.alarm.start(timeout, processor)
            outcome = evaluate_rows(call, self.limits, lambda: self.alarm.start_part(ROW))
        except Stop as late:
            raise LimitExceeded(f"the expression: {late.message}", limit=late.limit) from None
        return encode([outcome.values, [[number, text] for number, text in outcome.errors.items()]])

    def probe(self, names: list[str], target: AttackTarget) -> dict[str, list[str]]:
        return {name: list(attacks.make(name, target)) for name in names}

    def learn(self, new: dict[str, bytes], hashes: list[str]) -> dict[str, bytes]:
        """Return the bundles of a call: those sent with it and those sent before."""
        self.bundles.update(new)
        return {name: self.bundles[name] for name in hashes}

    # --- memory
    def tell_peak(self) -> None:
        """Report the peak memory to the node if it has changed."""
        peak = self.peak()
        if peak != self._peak:
            self._peak = peak
            self.connection.send_item(peak)

    def peak(self) -> int:
        """Return this process's peak memory in bytes; -1 if a call left a thread behind, so that it must end."""
        if threading.active_count() > 1:
            return -1
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * PAGE


def main(sock: socket.socket, settings: WorkerSettings, user: int, parent: int) -> None:
    """Confine this process and serve calls. Nothing is imported or opened from here on."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    alarm = Alarm()
    keep = frozenset({sock.fileno(), *loop.install()})
    worker = Worker(NodeConnection(sock, alarm), alarm, settings.limits)
    worker.missing = confine(Fence(settings.memory, settings.life, user, keep, parent), settings.layers)
    try:
        worker.serve()
    except (NodeGone, OSError):
        pass
