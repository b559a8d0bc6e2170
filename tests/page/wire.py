"""A line between a browser and a relay that counts what passes, and can lose it."""

from __future__ import annotations

import re
import socket
from contextlib import suppress
from threading import Event, Lock, Thread
from urllib.parse import urlsplit

REQUEST = re.compile(rb"^GET (\S+) HTTP/1\.1\r\n", re.MULTILINE)


class CountedLine:
    """A port that passes all on to another address, once that is set, and counts the bytes that come back.

    While `passes` is not set all that is sent is lost, and no connection ends: one that has lost something never passes
    anything again. New ones come about when it is set.
    """

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = Lock()
        self.passes = Event()
        self.passes.set()
        self._there = ("", 0)
        self.received = 0
        self.asked: list[str] = []
        self.origin = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def lead_to(self, url: str) -> str:
        """Begin; returns what takes the place of the URL."""
        there = urlsplit(url)
        assert there.hostname and there.port
        self._there = (there.hostname, there.port)
        Thread(target=self._serve, daemon=True).start()
        return url.replace(f"http://{there.netloc}", self.origin)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def reset(self) -> None:
        with self._lock:
            self.received, self.asked = 0, []

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            Thread(target=self._join, args=(near,), daemon=True).start()

    def _join(self, near: socket.socket) -> None:
        self.passes.wait()
        lost = Event()
        with near, suppress(OSError), socket.create_connection(self._there) as far:
            back = Thread(target=self._pass, args=(far, near, lost, True), daemon=True)
            back.start()
            self._pass(near, far, lost, False)
            back.join()

    def _pass(self, source: socket.socket, target: socket.socket, lost: Event, back: bool) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                if not self.passes.is_set():
                    lost.set()
                if lost.is_set():
                    continue
                with self._lock:
                    if back:
                        self.received += len(data)
                    else:
                        self.asked += [path.decode() for path in REQUEST.findall(data)]
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
