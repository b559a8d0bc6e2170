"""The older project's node server: `NodeServer(port=5558)`, then `setup()`, `start()`, `stop()`, `shutdown()`.

It serves from a thread of this process; `emerge node start` is the command for it.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Mapping
from contextlib import AsyncExitStack
from types import FrameType
from typing import TYPE_CHECKING, Any

from ...clients.transports.address import DEFAULT_PORT, endpoint_of
from ...errors import Invalid
from ...sync import wait

if TYPE_CHECKING:
    from ...front import RESTNodeServer as RESTNodeServer

DEFAULTS: dict[str, Any] = {
    "store": "zodb:///emerge.fs",
    "name": "",
    "host": "127.0.0.1",
    "join": (),
    "preload": "",
    "unsafe_run": False,
    "run_timeout": 30.0,
}
"""The options of `setup`; they are those of `emerge node start`."""


class Z0DBNodeServer:
    """A node of this process, over a ZODB unless `setup` names another store.

    `start` returns when it serves, at `endpoint`; the process then lives until `stop`, Ctrl-C or SIGTERM.
    """

    def __init__(self, port: int = DEFAULT_PORT) -> None:
        self.endpoint = ""
        self._port = port
        self._options = dict(DEFAULTS)
        self._stack: AsyncExitStack | None = None
        self._stopped = threading.Event()
        self._handlers: dict[int, Any] = {}

    def setup(self, options: Mapping[str, object] | None = None) -> bool:
        """Take options. Raises Invalid for one that there is not."""
        unknown = [name for name in options or {} if name not in DEFAULTS]
        if unknown:
            raise Invalid(f"a node has no option {unknown[0]!r}", remedy=f"its options: {', '.join(DEFAULTS)}")
        self._options |= options or {}
        return True

    def start(self) -> bool:
        """Serve. Raises Invalid when the port is taken, or the store is not ours."""
        if self._stack is None:
            wait(self._start())
            self._stopped.clear()
            threading.Thread(target=self._stopped.wait, name="node").start()  # no daemon: it keeps the process alive
            if threading.current_thread() is threading.main_thread():
                for number in (signal.SIGINT, signal.SIGTERM):
                    self._handlers[number] = signal.signal(number, self._interrupt)
        return True

    def stop(self) -> bool:
        """Stop serving; `start` begins again."""
        stack, self._stack = self._stack, None
        try:
            if stack is not None:
                wait(stack.aclose())
        finally:
            self._stopped.set()
            if threading.current_thread() is threading.main_thread():
                while self._handlers:
                    signal.signal(*self._handlers.popitem())
        return True

    def shutdown(self) -> bool:
        """The same: nothing else is held."""
        return self.stop()

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        before = self._handlers.get(number)
        self.stop()
        if callable(before):
            before(number, frame)

    async def _start(self) -> None:
        from ...cli.server import default_name, start_node, start_runner

        given = self._options
        async with AsyncExitStack() as stack:
            runner, _ = await start_runner(
                stack, unsafe=bool(given["unsafe_run"]), preload=given["preload"], pythons=()
            )
            node = await start_node(
                stack,
                name=given["name"] or default_name(),
                bind=f"tcp://{given['host']}:{self._port}",
                store=given["store"],
                runner=runner,
                run_timeout=given["run_timeout"],
                join=tuple(map(endpoint_of, given["join"])),
            )
            self.endpoint = node.endpoint
            self._stack = stack.pop_all()


NodeServer = Z0DBNodeServer


if not TYPE_CHECKING:

    def __getattr__(name):
        if name == "RESTNodeServer":
            from ...front import RESTNodeServer

            return RESTNodeServer
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
