"""The process in which shipped code runs: `python -m emerge_wasm.sandbox.worker FD MEMORY OUTPUT RESULT ITEMS`.

Reads calls from an inherited socket, one at a time, and answers each. Must not import the node, zmq or a web server.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import sys
from typing import Any

import emerge_wasm

from ..codec import decode
from ..errors import EmergeError, Unavailable
from ..filesystem.capture import Stop
from ..filesystem.execute import Encoded, Limits, execute_encoded
from ..filesystem.failure import fault
from ..filesystem.run import RunCall
from .frame import HEADER, READY, pack_answer, pack_frame
from .limits import allow_cpu, apply_limits


class NoFilesystem:
    """What `fs` is inside a method for now: an error that says so, and no hang."""

    def __getattr__(self, name: str) -> Any:
        raise Unavailable(
            f"fs.{name} cannot be used inside a method that runs on a node",
            remedy="pass what the method needs as arguments, or run it here: getobject(path).method()",
        )


class Worker:
    """Runs the calls that come over one socket until it is closed."""

    def __init__(self, sock: socket.socket, limits: Limits) -> None:
        self.sock = sock
        self.limits = limits
        self.bundles: dict[str, bytes] = {}
        self.timeout = 0.0

    def serve(self) -> None:
        """Answer calls, one after the other; returns when the pool has gone."""
        self.send(bytes([READY]))
        while (request := self.receive()) is not None:
            self.send(pack_answer(self.answer(request)))

    def answer(self, request: bytes) -> Encoded | EmergeError:
        try:
            return self.run(request)
        except EmergeError as error:
            return error

    def run(self, request: bytes) -> Encoded:
        path, pointer, state, new, hashes, method, args, kwargs, timeout = decode(request)
        self.bundles.update(new)
        bundles = {name: self.bundles[name] for name in hashes}
        call = RunCall(path, pointer, state, bundles, method, args, kwargs, timeout)
        allow_cpu(timeout)
        self.timeout = timeout
        try:
            signal.setitimer(signal.ITIMER_REAL, timeout)
            try:
                return execute_encoded(call, asyncio.run, self.limits)
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        except Stop as late:  # the alarm rang between the call's end and the line above
            raise fault(late, call, "") from None

    def ring(self, *_: object) -> None:
        """The alarm: end the call where it is, so that its traceback tells where that was."""
        raise Stop("wall time", f"it took longer than {self.timeout:g} s")

    def send(self, data: bytes) -> None:
        self.sock.sendall(pack_frame(data))

    def receive(self) -> bytes | None:
        head = self._exactly(HEADER.size)
        return None if head is None else self._exactly(HEADER.unpack(head)[0])

    def _exactly(self, size: int) -> bytes | None:
        data = self.sock.recv(size, socket.MSG_WAITALL)
        while len(data) < size:
            more = self.sock.recv(size - len(data), socket.MSG_WAITALL)
            if not more:
                return None
            data += more
        return data


def main(arguments: list[str]) -> None:
    """Set the process up and serve. The order matters: everything is imported before the limits are put on."""
    descriptor, memory, *limits = (int(argument) for argument in arguments)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the node, which then closes the socket
    vars(emerge_wasm)["fs"] = NoFilesystem()
    worker = Worker(socket.socket(fileno=descriptor), Limits(*limits))
    signal.signal(signal.SIGALRM, worker.ring)
    apply_limits(memory)
    gc.freeze()
    try:
        worker.serve()
    except (BrokenPipeError, ConnectionResetError):
        pass


if __name__ == "__main__":
    main(sys.argv[1:])
