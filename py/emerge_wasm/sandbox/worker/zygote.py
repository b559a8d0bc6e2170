"""The zygote: the process that workers are forked from within two milliseconds, since it has imported everything.

It never runs shipped code itself. It has one thread, and talks to `forkserver.py`, which starts it, in frames over an
inherited socket that also passes the workers' sockets.
"""

from __future__ import annotations

import gc
import os
import random
import select
import signal
import socket
import sys
import warnings
from contextlib import suppress
from typing import Any

from ..confine.confine import FIRST_UID, UIDS
from ..frame import BadFrame, Splitter, pack_message, parse_message
from ..settings import LARGEST, WorkerSettings, ZygoteMessage
from . import preload
from .worker import main as work


class Zygote:
    """Forks workers and reports how each ended."""

    def __init__(self, control: socket.socket, settings: WorkerSettings) -> None:
        self.control = control
        self.settings = settings
        self.numbers: dict[int, int] = {}  # process -> the node's number for it
        self.users: dict[int, int] = {}
        self._user = random.randrange(UIDS)
        self._descriptors: list[int] = []
        self._wake, wakeup = os.pipe()
        os.set_blocking(wakeup, False)
        os.set_blocking(self._wake, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)

    def serve(self) -> None:
        """Serve until the node closes the socket; workers end with this process."""
        splitter = Splitter(LARGEST)
        poll = select.poll()
        poll.register(self.control, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        while True:
            for descriptor, _ in poll.poll():
                if descriptor == self._wake:
                    self._reap()
                    continue
                data, descriptors, _, _ = socket.recv_fds(self.control, LARGEST, 16)
                self._descriptors += descriptors
                if not data:
                    return
                for frame in splitter.feed(data):
                    self._obey(parse_message(frame))

    def _obey(self, message: list[Any]) -> None:
        match message:
            case [ZygoteMessage.FORK, int() as number]:
                self._fork(number)
            case [ZygoteMessage.KILL, int() as number]:
                for pid, known in self.numbers.items():
                    if known == number:
                        os.kill(pid, signal.SIGKILL)  # not reaped yet, so the pid is still this worker's

    def _fork(self, number: int) -> None:
        theirs = socket.socket(fileno=self._descriptors.pop(0))
        user = self._free_user()
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            _live(theirs, self.settings, user, parent)
        theirs.close()
        self.numbers[pid] = number
        self.users[pid] = user
        self._tell(pid, ZygoteMessage.FORKED, number, pid)

    def _tell(self, pid: int, *fields: Any) -> None:
        """Send a message with the process's pidfd, which can never refer to another process."""
        handle = os.pidfd_open(pid) if sys.platform == "linux" else -1
        socket.send_fds(self.control, [pack_message(*fields)], [handle] if handle >= 0 else [])
        if handle >= 0:
            os.close(handle)

    def _free_user(self) -> int:
        taken = set(self.users.values())
        while True:
            self._user = (self._user + 1) % UIDS
            if FIRST_UID + self._user not in taken:
                return FIRST_UID + self._user

    def _reap(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._wake, 4096)
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                pid, status = ended
                self.users.pop(pid, None)
                self.control.sendall(
                    pack_message(ZygoteMessage.ENDED, self.numbers.pop(pid, -1), os.waitstatus_to_exitcode(status))
                )


def _live(theirs: socket.socket, settings: WorkerSettings, user: int, parent: int) -> None:
    """Run a worker in the forked child, to its end."""
    status = 1
    try:
        if "numpy" in sys.modules:  # Python reseeds its own generator after a fork; numpy does not
            sys.modules["numpy"].random.seed()
        work(theirs, settings, user, parent)
        status = 0
    finally:
        os._exit(status)


def main(wire: dict[str, Any]) -> None:
    """Import everything and serve. Errors before that are reported to the node. Garbage is collected from then on:
    what is imported stays.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warnings.simplefilter("ignore")
    sys.dont_write_bytecode = True
    settings = WorkerSettings.from_wire(wire)
    control = socket.socket(fileno=wire["descriptor"])
    try:
        loaded = preload.preload(wire["preload"])
        packages = preload.versions(preload.available())
        if "seccomp" in settings.layers:
            preload.close_imports(loaded)
    except Exception as error:  # a package may raise anything when imported
        control.sendall(pack_message(ZygoteMessage.FAULT, f"{type(error).__name__}: {error}"[:1000]))
        return
    zygote = Zygote(control, settings)
    os.dup2(1, 2)  # /dev/null
    gc.freeze()
    gc.enable()
    control.sendall(pack_message(ZygoteMessage.STARTED, packages))
    with suppress(OSError, BadFrame):
        zygote.serve()
