"""The page's kernel: the tab's two filesystems, and the requests about them that are under way."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from functools import partial

from ..errors import Invalid
from ..operations import Transport
from ..results import AuthorMap, PointerRow
from .cells import CellsKernel
from .console.prompt import InputPrompts
from .console.shell import Shell
from .guests.channel import open_guest
from .guests.consent import Consent
from .guests.pool import GuestPool
from .guests.runner import TabRunner
from .places.cluster import Connection
from .places.local import open_local
from .places.place import TabPlace
from .protocol.argument import Deed, PlaceArgs
from .protocol.option import Options, PlaceName
from .responder import PageHandler, Responder, SendMessage, T, TabWork, guarded

LOG = logging.getLogger("emerge.browser")


class Tab(Responder):
    """The Python of one page. `cell_handlers` answer what is about cells, if those run here too."""

    def __init__(
        self,
        send: SendMessage,
        options: Options,
        handlers: Mapping[str, PageHandler],
        cell_handlers: Mapping[str, PageHandler],
    ) -> None:
        super().__init__(send, handlers)
        self.options = options
        self.cells: CellsKernel | None = None
        self.consent = Consent(send, options["allowed"], self._authors)
        self.local = TabPlace("local", "use `cluster`, or set the console's switch to the cluster")
        self.cluster = TabPlace("cluster", "use `local`, or set the console's switch to this browser")
        self.places: dict[str, TabPlace] = {place.name: place for place in (self.local, self.cluster)}
        self.guests = GuestPool(open_guest)
        self.runners = {
            place.name: TabRunner(place.name, self.consent, self.guests, place.is_mine, lambda: self.cells)
            for place in self.places.values()
        }
        filesystems: dict[PlaceName, Transport] = {"local": self.local, "cluster": self.cluster}
        self.inputs = InputPrompts(send)
        self.shell = (
            None if options["apart"] else Shell(send, cell_handlers, filesystems, self.consent, self.inputs.ask)
        )
        self._cancel: dict[int, Callable[[], object]] = {}  # by the page's number of the work under way

    async def _authors(self, where: PlaceName, hashes: list[str]) -> AuthorMap:
        return await self.places[where].reader.remote.authors(hashes)

    # --- start
    def begin(self) -> None:
        """Tell the page that Python is ready, then open the filesystems in the background."""
        if self.shell is not None:
            self.shell.begin()
        self.listen()
        self.state("ready")
        self.spawn(self._open_local())
        self.spawn(self._open_cluster())

    async def _open_local(self) -> None:
        engine = await open_local(self.local, self.runners["local"])
        self.send(
            {
                "event": "features",
                "sync": self.options["sync"],
                "interrupt": self.options["interrupt"],
                "storage": engine,
            }
        )
        await self.local.follow(partial(self._changed, self.local))

    async def _open_cluster(self) -> None:
        if not self.options["relay"]:
            self.cluster.opened.set()
            return
        connection = Connection(
            self.cluster, self.options["relay"], lambda state: self.send({"event": "connection", "connection": state})
        )
        await connection.open()
        await self.cluster.follow(partial(self._changed, self.cluster))

    # --- the cells' kernel
    def attach(self, post: Callable[[bytes], None], interrupt: Callable[[int], object]) -> None:
        """Begin to serve a cells' kernel, in place of an earlier one."""
        self.detach()
        self.cells = CellsKernel(post, self.places, self.consent, interrupt, self.inputs.ask)

    def detach(self) -> None:
        """End all that a cells' kernel, which is gone, has under way here."""
        cells, self.cells = self.cells, None
        if cells is not None:
            cells.lose()

    # --- requests
    def find(self, args: PlaceArgs) -> TabPlace:
        """Return the filesystem that a request is about. Raises Invalid for an unknown name."""
        if args["where"] not in self.places:
            raise Invalid(f"there is no filesystem called {args['where']!r}", remedy="local or cluster")
        return self.places[args["where"]]

    def submit(self, id: int, kind: str, args: object, deed: Deed | None = None) -> None:
        if self.shell is not None and kind in self.shell.handlers:
            self.shell.submit(id, kind, args)
        else:
            super().submit(id, kind, args, deed)

    def before_reply(self) -> None:
        if self.shell is not None:
            self.shell.before_reply()

    async def run_alone(self, work: TabWork[T]) -> T:
        """Run what may run the user's own code: one piece at a time, where cells run in this kernel."""
        return await (work if self.shell is None else self.shell.run_alone(work))

    async def under_way(self, number: int, work: TabWork[T]) -> T:
        """Run work under the page's number for it, by which the page can cancel it."""
        task = asyncio.ensure_future(guarded(work))
        self._cancel[number] = task.cancel
        try:
            outcome = await task
        finally:
            del self._cancel[number]
        return outcome()

    def cancel(self, number: int) -> None:
        """Cancel a run at the point where it waits; do nothing if it has ended."""
        if number in self._cancel:
            self._cancel[number]()

    def stop(self) -> None:
        """Cancel the running cell where it waits."""
        if self.shell is not None:
            self.shell.stop()

    # --- events
    def printer(self, number: int) -> Callable[[str], None]:
        """Return a function that sends the printed text of the run with this number."""

        def write(text: str) -> None:
            self.send({"event": "printed", "run": number, "text": text})

        return write

    def _changed(self, place: TabPlace, operation: str, path: str, pointer: PointerRow | None, author: str) -> None:
        self.send(
            {
                "event": "change",
                "where": place.name,
                "operation": operation,
                "path": path,
                "pointer": pointer,
                "author": author,
            }
        )
