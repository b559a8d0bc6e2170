"""The process in which shipped code runs: closed in, then serving calls from its one socket until that is closed.

Forked from the zygote, which has imported all that is needed. Must not import the node, zmq or a web server.
"""

from __future__ import annotations

import resource
import signal
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any, ClassVar

import emerge_wasm

from ... import sync
from ...clients import Client, SyncClient
from ...codec import encode
from ...errors import EmergeError, LimitExceeded
from ...filesystem.runner import EvaluateCall, RunCall
from ...filesystem.runs.inside.capture import Stop
from ...filesystem.runs.inside.evaluate import evaluate_rows
from ...filesystem.runs.inside.execute import Limits, execute_encoded
from ..confine.confine import Fence, confine
from ..frame import pack_message
from ..message import Kind
from ..probe import attacks
from ..setting import Setting
from . import loop
from .alarm import Alarm
from .channel import Channel, ChannelTransport, Closed
from .printer import Printer

Handler = Callable[..., tuple[Any, ...]]
PAGE = 1024 if sys.platform != "darwin" else 1
"""What the system counts the most memory that a process had in, in bytes."""


ROW = 1.0
"""Seconds that an expression may take on one object: one endless property is not to end a whole search."""


class Worker:
    """Runs the calls that come over its channel."""

    def __init__(self, channel: Channel, alarm: Alarm, limits: Limits) -> None:
        self.channel = channel
        self.alarm = alarm
        self.limits = limits
        self.driver = loop.Driver()
        self.printer = Printer(channel, alarm)
        self.bundles: dict[str, bytes] = {}
        self.client = Client(ChannelTransport(channel))
        self.fs = SyncClient(self._open, "fs")
        self.given: dict[str, Callable[[], Any]] = {"fs": lambda: self.fs, "afs": lambda: self.client}
        vars(emerge_wasm).update(fs=self.fs, afs=self.client)
        sync.drive = sync.run_straight

    async def _open(self) -> Client:
        return self.client

    def serve(self) -> None:
        """Answer calls, one after the other, until the node has gone."""
        while True:
            kind, *fields = self.channel.receive()
            if not self.try_to_answer(kind, fields):  # outside the handler, so that what filled the memory is gone
                self.channel.send_packed(_NO_MEMORY)

    def try_to_answer(self, kind: int, fields: list[Any]) -> bool:
        """False when there was not even memory to tell what went wrong."""
        try:
            self.channel.send(*self.answer(kind, fields))
        except MemoryError:
            return False
        return True

    def answer(self, kind: int, fields: list[Any]) -> tuple[Any, ...]:
        try:
            return self._HANDLERS[kind](self, *fields)
        except EmergeError as error:
            return Kind.FAILED, _packed(error), self.peak()
        except Stop as late:  # the alarm rang while the call was being put away
            return Kind.FAILED, _packed(LimitExceeded(late.message, limit=late.limit)), self.peak()
        finally:
            self.alarm.stop()

    def run(self, *fields: Any) -> tuple[Any, ...]:
        path, pointer, state, new, hashes, method, args, kwargs, timeout, processor = fields
        call = RunCall(path, pointer, state, self.learn(new, hashes), method, args, kwargs, timeout)
        try:
            self.alarm.start(timeout, processor)
            done = execute_encoded(call, self.driver.run, self.limits, self.given, self.printer.write)
        finally:
            self.alarm.stop()
            self.printer.flush()
        return Kind.DONE, done.result, done.state, done.milliseconds, self.peak()

    def evaluate(self, *fields: Any) -> tuple[Any, ...]:
        expression, rows, new, hashes, timeout, processor = fields
        pairs = [(pointer, state) for pointer, state in rows]
        call = EvaluateCall(expression, pairs, self.learn(new, hashes), timeout)
        try:
            self.alarm.start(timeout, processor)
            outcome = evaluate_rows(call, self.limits, lambda: self.alarm.start_part(ROW))
        except Stop as late:
            raise LimitExceeded(f"the expression: {late.message}", limit=late.limit) from None
        errors = [[number, text] for number, text in outcome.errors.items()]
        return Kind.VALUES, encode([outcome.values, errors]), self.peak()

    def probe(self, *fields: Any) -> tuple[Any, ...]:
        names, target = fields
        return Kind.PROBED, {name: list(attacks.make(name, target)) for name in names}

    def peak(self) -> int:
        """The most bytes of memory that this process had; -1 when it is to end: it left a thread behind, or it was
        stopped while it waited for an answer."""
        if threading.active_count() > 1 or self.channel.stopped:
            return -1
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * PAGE

    def learn(self, new: dict[str, bytes], hashes: list[str]) -> dict[str, bytes]:
        """The bundles of a call: those that came along, and those that came before."""
        self.bundles.update(new)
        return {name: self.bundles[name] for name in hashes}

    _HANDLERS: ClassVar[dict[int, Handler]] = {
        Kind.RUN: run,
        Kind.EVALUATE: evaluate,
        Kind.PROBE: probe,
    }


def _packed(error: EmergeError) -> bytes:
    try:
        return encode(error.to_wire())
    except EmergeError:  # its details hold what cannot be written
        return encode(type(error)(error.message, path=error.path, remedy=error.remedy).to_wire())


_NO_MEMORY = pack_message(
    Kind.FAILED, encode(LimitExceeded("it needs more memory than it may have", limit="memory").to_wire()), -1
)


def main(sock: socket.socket, setting: Setting, user: int, parent: int) -> None:
    """Close this process in and serve. Nothing is imported or opened from here on."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    alarm = Alarm()
    keep = frozenset({sock.fileno(), *loop.install()})
    channel = Channel(sock, alarm)
    worker = Worker(channel, alarm, setting.limits)
    missing = confine(Fence(setting.memory, setting.life, user, keep, parent), setting.layers)
    try:
        channel.send(Kind.READY, missing, worker.peak())
        worker.serve()
    except (Closed, OSError):
        pass
