"""The code of the cells' worker: starts the shell of cells over a link to the page's kernel.

Like `kernel`, it takes and sends JSON text and leaves no proxies.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from ... import sync
from ..protocol.option import ShellOptions
from ..requests.handlers import CELL_HANDLERS
from ..start import begin_worker
from .page_link import PageLink
from .shell import Shell

if TYPE_CHECKING:
    from pyodide.ffi import JsBuffer


class Line(Protocol):
    """The worker's end of the line to the page's kernel, in JavaScript (web/cells.ts)."""

    def post(self, data: JsBuffer) -> None:
        """Send one event."""

    def wait(self, milliseconds: float) -> JsBuffer | None:
        """Block for bytes, a while at most; None: Stop was pressed. Only where memory is shared."""

    def mark(self, number: int) -> None:
        """Note which of the page's runs is running, 0 for none."""


_shell: Shell | None = None
_link: PageLink | None = None


def start(post: Callable[[str], object], line: Line, options: str) -> None:
    """Start the kernel. `post` sends JSON to the page; `options` is the JSON of `protocol.ShellOptions`."""
    global _shell, _link
    from pyodide.ffi import to_js  # type: ignore[import-not-found,unused-ignore]  # there in a browser only

    given: ShellOptions = json.loads(options)
    begin_worker(given)
    _link = link = PageLink(lambda data: line.post(to_js(data)), line.mark)
    _shell = shell = Shell(
        lambda message: post(json.dumps(message)), CELL_HANDLERS, link.filesystems, link.consent, link.ask_input
    )
    link.shell = shell
    shell.on_busy = lambda busy: link.tell("busy", [busy])
    if given["shared"]:

        def wait(seconds: float | None) -> bytes:
            found = line.wait(-1 if seconds is None else seconds * 1000)
            if found is None:
                raise KeyboardInterrupt
            return bytes(found.to_bytes())

        sync.drive = link.nested_loops(wait, shell.output.flush).drive
    shell.listen()
    shell.begin()
    shell.state("ready")


def submit(id: int, kind: str, args: str) -> None:
    """Take a request; its reply is sent later."""
    assert _shell is not None, "start comes first"
    _shell.submit(id, kind, json.loads(args))


def pulse() -> None:
    """Answer a heartbeat by returning."""


def stop() -> None:
    """Stop the running cell at the point where it waits."""
    if _shell is not None:
        _shell.stop()


def hear(data: JsBuffer, framed: bool) -> None:
    """Take one event of the page's kernel, a Uint8Array; or bytes of a stream of framed ones."""
    assert _link is not None, "start comes first"
    (_link.hear_frames if framed else _link.hear)(data.to_bytes())
