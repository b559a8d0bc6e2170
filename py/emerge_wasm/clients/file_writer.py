"""Writing a file: what comes is cut into blocks, which are sent while more comes; at the end the file is there at once.

Until then nothing is to be seen of it. What was sent in an upload that has a name is kept for an hour, so that one that
goes on with it sends only what is not there; else it is kept while the writer lives. What is in memory is bounded.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from types import TracebackType
from typing import Self

from .. import sync
from ..blocks.block import INLINE_SIZE, block_name
from ..blocks.block_map import BlockRow, MapBuilder
from ..blocks.chunker import Chunker, make_chunker
from ..blocks.layout import INLINE, Layout, make_layout, split
from ..blocks.upload import is_live, new_upload
from ..codec import encode
from ..errors import EmergeError, Invalid, LimitExceeded, Unavailable
from ..objects import BLOB, EmergeBlob, Pointer
from ..results import BlockPlaces
from .block_sender import BlockSender
from .node_links import HolderCalls
from .transfer import TransferProgress, transfer_of
from .upload_beat import UploadBeat

WINDOW = 4 << 20
"""Bytes of blocks that are sent together."""

WINDOWS = 2
"""How many such are on their way at once, while the next one is read."""

WINDOW_BLOCKS = 512
"""Blocks that are sent together at most."""

CALL_BYTES = 4 << 20
"""Bytes of blocks that one call sends."""

DROP_SECONDS = 2.0
"""In which what an upload sent is let go of, when it is dropped."""

PATIENCE, PAUSE = 10, 0.5
"""How often, and after how many seconds, holders are looked for again where there are too few in the midst of it."""

InlineFile = tuple[str, bytes, str, str, int, str, str]


class FileWriter:
    """A file that is being written: `await write(data)`, then `close`, which gives it its path; `abort` drops it.

    With `async with` an exception aborts it. `pointer` is that of the file, once it is closed.
    """

    def __init__(
        self,
        calls: HolderCalls,
        path: str,
        layout: Layout,
        version: int = 0,
        perms: str = "",
        upload: str = "",
        progress: TransferProgress | None = None,
        chunker: Chunker | None = None,
    ) -> None:
        self.path = path
        self.pointer: Pointer | None = None
        self.closed = False
        self._calls = calls
        self._remote = calls.remote
        self._layout = layout
        self._upload = upload or new_upload(live=not (sync.IN_PYODIDE or sync.drive is sync.run_straight))
        self._goes_on = bool(upload)
        self._stored_as = version, perms
        self._transfer = transfer_of(progress)
        self._chunker = chunker or make_chunker()
        self._blocks: list[tuple[bytes, bytes]] = []  # with their names
        self._waiting = 0  # bytes in them
        self._map = MapBuilder(layout)
        self._sender = BlockSender(self._put)
        self._sending: list[asyncio.Task[None]] = []
        self._beat: UploadBeat | None = None
        self._begun = self._fits = self._is_older = False
        self._avoid: list[str] = []
        self._given: Counter[str] = Counter()
        self._written = self._sent = 0

    async def write(self, data: bytes | bytearray | memoryview) -> int:
        """Add bytes; how many they were. Errors of earlier ones may come here."""
        if self.closed:
            raise Invalid(f"{self.path} is closed", path=self.path, remedy="open it again")
        given = memoryview(data).cast("B")
        for block in self._chunker.add(given):
            await self.add_block(block)
        self._written += len(given)
        return len(given)

    def go_on(self, upload: str, progress: TransferProgress | None = None) -> Self:
        """Go on with what an earlier upload of this name has sent to the path; called before anything is written."""
        self._upload, self._transfer, self._goes_on = upload, transfer_of(progress), True
        return self

    def tell(self) -> int:
        return self._written

    @property
    def layout(self) -> Layout:
        """How its blocks are laid down, once some were sent."""
        return self._layout

    async def close(self) -> None:
        """Make the file. When this raises, there is none, and what was there is as it was."""
        if self.closed:
            return
        self.closed = True
        try:
            for block in self._chunker.end():
                await self.add_block(block)
            if self._is_small():
                data = b"".join(block for _, block in self._blocks)
                row = await self._remote.store(*inline_file(self.path, data, *self._stored_as))
                await self._transfer.add(self._waiting)
                self.pointer = Pointer.from_wire(row)
                return
            root = await self.finish()
            row = await self._remote.putfile(self.path, root.hex(), self._upload, *self._stored_as)
        finally:
            await self._stop()
        self.pointer = Pointer.from_wire(row)

    async def abort(self) -> None:
        """Drop it: what is at the path stays as it is. What was sent is let go of, unless an upload of that name is to
        go on with it."""
        self.closed = True
        await self._stop()
        if self._begun and not self._goes_on:
            with suppress(EmergeError, TimeoutError):  # it ends by itself in its time, and may be of an older release
                await self._let_go()

    async def _let_go(self) -> None:
        if sync.drive is sync.run_straight:
            await self._remote.dropblocks(self.path, self._upload)
            return
        async with asyncio.timeout(DROP_SECONDS):
            await self._remote.dropblocks(self.path, self._upload)

    # --- blocks
    async def add_block(self, block: bytes) -> None:
        """Add a block as it is."""
        self._blocks.append((block_name(block), block))
        self._waiting += len(block)
        if self._waiting >= WINDOW or len(self._blocks) == WINDOW_BLOCKS:
            self._begun = True
            await self._send_window()
        elif self._sending:
            await asyncio.sleep(0)  # else nothing is sent while the next blocks are read

    async def finish(self) -> bytes:
        """Send what is left of the blocks that were added, and their map, without making the file; the map's root."""
        await self._send_window()
        await self._sent_so_far()
        nodes = self._map.end()
        await self._put_nodes(nodes)
        return block_name(nodes[-1])

    def _is_small(self) -> bool:
        return not self._begun and self._waiting <= INLINE_SIZE and self._layout == make_layout()

    async def _send_window(self) -> None:
        """Begin to send the blocks that were added, and the nodes of the map that they complete."""
        if self._beat is None and is_live(self._upload):
            self._beat = UploadBeat(self._remote, self.path, self._upload)
        if not self._fits:
            await self._fit()
        blocks, self._blocks, self._waiting = self._blocks, [], 0
        kept: dict[str, bytes] = {}
        size = 0
        for name, block in blocks:
            fragments = split(self._layout, block)
            row = BlockRow(name, len(block), tuple(map(block_name, fragments)))
            kept |= zip([each.hex() for each in row.kept], fragments or [block], strict=True)
            size += len(block)
            if nodes := self._map.add(row):  # what they name goes first
                await self._begin_to_send(kept, size)
                await self._sent_so_far()
                await self._put_nodes(nodes)
                kept, size = {}, 0
        await self._begin_to_send(kept, size)

    async def _begin_to_send(self, kept: dict[str, bytes], size: int) -> None:
        if sync.drive is sync.run_straight:
            await self._send(kept, size)
            return
        await self._sent_so_far(WINDOWS - 1)
        self._sending.append(asyncio.ensure_future(self._send(kept, size)))
        await asyncio.sleep(0)

    async def _sent_so_far(self, under_way: int = 0) -> None:
        """Wait until no more than so many windows are under way."""
        while len(self._sending) > under_way:
            await self._sending.pop(0)

    async def _stop(self) -> None:
        if self._beat is not None:
            self._beat.end()
        sending, self._sending = self._sending, []
        for task in sending:
            task.cancel()
        if sending:
            await asyncio.gather(*sending, return_exceptions=True)

    async def _send(self, kept: dict[str, bytes], size: int) -> None:
        """Send blocks, less those that are there already; they are so many bytes of the file."""
        await self._put_blocks(kept)
        self._sent += size
        await self._transfer.add(self._sent, self._given)

    async def _fit(self) -> None:
        """Ask for the layout that fits the nodes that are there."""
        if self._layout.raid:
            asked = self._layout.pack() if self._layout.raid == 1 else f"raid{self._layout.raid}"
            self._layout = Layout.unpack((await self._place([], asked))["layout"])
            self._map = MapBuilder(self._layout)
        self._fits = True

    async def _put_blocks(self, kept: dict[str, bytes]) -> None:
        """Send blocks to whom the owner of the path names; again to others, where one does not take them."""
        if not kept:
            return
        if not self._layout.raid and not self._begun and len(kept) == 1:  # nothing is gained by another node
            await self._remote.putblocks(self.path, kept, self._upload)
            return
        patience = PATIENCE
        while True:
            try:
                found = await self._place(list(kept), self._layout.pack())
                self._calls.learn(found["nodes"])
                places = found["places"]
            except Unavailable as error:
                patience -= 1
                if "needed" not in error.details or not patience or sync.drive is sync.run_straight:
                    raise
                await asyncio.sleep(PAUSE)  # there were enough when it began: some may be back soon
                self._avoid = []
                continue
            failed = await self._put_all(kept, places, next(iter(found["nodes"]), ""))
            if not failed:
                return
            self._avoid = sorted({*self._avoid, *failed})

    async def _place(self, names: list[str], layout: str) -> BlockPlaces:
        """Ask which nodes blocks go to: of a release that does not know, all go to the owner of the path."""
        if not self._is_older:
            try:
                return await self._remote.placeblocks(self.path, names, self._upload, layout, self._avoid)
            except Invalid as error:
                self._is_older = error.details.get("operation") == "placeblocks"
                if not self._is_older or self._layout.raid == 1:
                    raise
        return {"layout": self._layout.pack(), "places": {name: [""] for name in names}, "nodes": {}}

    async def _put_all(self, kept: dict[str, bytes], places: dict[str, list[str]], owner: str) -> set[str]:
        """Send blocks to their holders, one of which may be the owner of the path; return the holders that did not take
        theirs."""
        calls = [
            (holder, call)
            for holder in sorted({each for whom in places.values() for each in whom})
            for call in _calls({name: kept[name] for name, whom in places.items() if holder in whom})
        ]
        if sync.drive is sync.run_straight:
            return {holder for holder, call in calls if not await self._put(holder, call)}
        return await self._sender.send(calls, owner)

    async def _put(self, holder: str, call: dict[str, bytes]) -> bool:
        """Send blocks to a holder; whether it took them."""
        direct = True
        try:
            node = await self._calls.of(holder)
            direct = node is not self._remote
            await node.putblocks(self.path, call, self._upload, False, holder)
        except (Unavailable, LimitExceeded) as error:
            if not direct and error.details.get("holder") != holder:
                raise
            return False
        self._given[holder] += sum(map(len, call.values()))
        return True

    async def _put_nodes(self, nodes: list[bytes]) -> None:
        for node in nodes:
            await self._remote.putblocks(self.path, {block_name(node).hex(): node}, self._upload, True)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await (self.close() if kind is None else self.abort())


def inline_file(path: str, data: bytes, version: int = 0, perms: str = "") -> InlineFile:
    """Return the arguments of `store` for a small file, which is kept within its object's state."""
    state = encode({"id": "", "content": data, "layout": INLINE})
    return path, state, EmergeBlob.__name__, "", version, BLOB, perms


def _calls(kept: dict[str, bytes]) -> Iterator[dict[str, bytes]]:
    """Yield them by as many as one call takes."""
    call: dict[str, bytes] = {}
    size = 0
    for name, data in kept.items():
        if call and size + len(data) > CALL_BYTES:
            yield call
            call, size = {}, 0
        call[name] = data
        size += len(data)
    if call:
        yield call
