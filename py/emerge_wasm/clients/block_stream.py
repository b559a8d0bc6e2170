"""Blocks of a file as a stream, fetched from their holders: asks what the picker says, and tells it what came of that.

What is in memory is bounded by the picker's window.
"""

from __future__ import annotations

import asyncio
import time
import warnings
from collections import Counter, deque
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import NamedTuple

from .. import sync
from ..blocks.block_map import BlockRow
from ..blocks.layout import Layout, join, make_layout
from ..blocks.piece_picker import REQUEST_BYTES, WINDOW, PiecePicker, PieceRequest, TakenBlock, WantedBlock
from ..errors import EmergeError, LimitExceeded, Unavailable, WrongBytes
from .block_holder import ASKED, HolderDirectory


class FileRow(NamedTuple):
    """A row of a file's block map, with where its block begins in the file."""

    offset: int
    layout: Layout
    row: BlockRow


class FetchedBlock(NamedTuple):
    """A block that was fetched and verified; or `error` says why it cannot be had."""

    offset: int
    row: BlockRow
    data: bytes
    error: EmergeError | None = None


class BlockStream:
    """The blocks of some rows of a block map, which come as lists.

    `ordered`: they are given in their order, else as they come. `find`: it is asked who has them, else only for those
    that the nearest cannot give. `given` counts the bytes by holder.
    """

    def __init__(
        self,
        path: str,
        holders: HolderDirectory,
        rows: AsyncIterator[Sequence[FileRow]],
        *,
        window: int = WINDOW,
        ordered: bool = True,
        find: bool = True,
    ) -> None:
        self.given: Counter[str] = Counter()
        self._path = path
        self._holders = holders
        self._coming = rows
        self._asks = find
        self._rows: deque[FileRow] = deque()
        self._wanted: dict[int, FileRow] = {}
        self._picker = PiecePicker(window, ordered=ordered, reserve=ASKED)
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._said: dict[bytes, Sequence[str]] = {}
        self._errors: dict[str, EmergeError] = {}  # the last one of each holder
        self._warned = 0
        self._skipped = 0.0  # seconds that were not waited for

    async def next(self) -> FetchedBlock | None:
        """Return the next block; None: there are no more."""
        while True:
            taken = None if self._picker.has_room(self._worth_asking()) else self._picker.take()
            if taken is not None:
                return self._made(taken)
            await self._fill()
            await self._look_up()
            await self._ask()
            self._warn()
            if (taken := self._picker.take()) is not None:
                return self._made(taken)
            if not self._picker.waiting:
                return None
            await self._wait()

    async def close(self) -> None:
        """End what is under way."""
        tasks, self._tasks = list(self._tasks.values()), {}
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError, Exception):
                await task

    def widen(self) -> None:
        """Fetch twice as far ahead, up to a bound: whoever reads on and on wants it."""
        self._picker.window = min(2 * self._picker.window, WINDOW)

    # --- one turn
    def _worth_asking(self) -> int:
        """How many bytes are asked for together, so that not each block that is taken makes a request of its own."""
        return min(REQUEST_BYTES, self._picker.window // 4)

    async def _fill(self) -> None:
        """Want as many blocks as there is room for."""
        while True:
            if not self._rows:
                self._rows.extend(await anext(self._coming, []))
                if not self._rows:
                    return
                self._said = dict(await self._find([name for each in self._rows for name in each.row.kept]))
            if not self._picker.has_room(self._rows[0].row.size):
                return
            each = self._rows.popleft()
            self._wanted[each.offset] = each
            need = each.layout.data if each.row.fragments else 1
            block = WantedBlock(each.offset, each.row.size, each.row.kept, need)
            self._picker.want(block, {name: self._said.get(name, ()) for name in block.pieces})

    async def _find(self, names: Sequence[bytes]) -> dict[bytes, Sequence[str]]:
        if not self._asks:
            return dict(self._holders.nearest(names))
        with suppress(Unavailable):  # they are looked up again when that matters
            return dict(await self._holders.find(names))
        return {}

    async def _look_up(self) -> None:
        """Ask everybody for pieces that nobody is left to be asked for."""
        if lacking := self._picker.lacking():
            try:
                found = await self._holders.find(lacking, ask=True)
            except EmergeError as error:
                self._errors[""] = error
                found = {}
            self._picker.learn(found, lacking)

    async def _ask(self) -> None:
        now = self._now()
        for number in self._picker.drop(now):
            if (task := self._tasks.pop(number, None)) is not None:
                task.cancel()
        for request in self._picker.start(now):
            if sync.drive is sync.run_straight:
                await self._serve(request)
            else:
                self._tasks[request.number] = asyncio.ensure_future(self._serve(request))

    async def _serve(self, request: PieceRequest) -> None:
        """Ask a holder, and tell the picker what came of it."""
        try:
            found, lost = await self._holders.get(request.holder, request.names)
        except EmergeError as error:
            self._errors[request.holder] = error
            final = not isinstance(error, Unavailable | LimitExceeded)
            self._picker.fail(request.number, error.message, self._now(), final=final)
        else:
            self._errors.pop(request.holder, None)
            self.given[request.holder] += sum(map(len, found.values()))
            self._picker.answer(request.number, found, lost, self._now())

    async def _wait(self) -> None:
        """Wait until something was answered, or is late."""
        now = self._now()
        wake = self._picker.wake(now)
        if sync.drive is sync.run_straight:
            self._skipped += 0 if wake is None else max(wake - now, 0)
            return
        seconds = None if wake is None else max(wake - now, 0)
        if not self._tasks:
            await asyncio.sleep(seconds or 0)
            return
        done, _ = await asyncio.wait(self._tasks.values(), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for number, task in list(self._tasks.items()):
            if task in done:
                del self._tasks[number]
                task.result()

    def _now(self) -> float:
        return time.monotonic() + self._skipped

    def _warn(self) -> None:
        for name in self._picker.liars[self._warned :]:
            warnings.warn(WrongBytes(self._path, name), stacklevel=2)
        self._warned = len(self._picker.liars)

    # --- what came
    def _made(self, taken: TakenBlock) -> FetchedBlock:
        (offset, layout, row), found = self._wanted.pop(taken.block.offset), taken.found
        if taken.missing:
            return FetchedBlock(offset, row, b"", self._error(taken, row))
        try:
            data = join(layout, row.name, row.size, row.fragments, found) if row.fragments else found[row.name]
        except EmergeError as error:
            return FetchedBlock(offset, row, b"", error)
        if row.size and len(data) != row.size:
            return FetchedBlock(offset, row, b"", _wrong_size(self._path, offset, row, len(data)))
        return FetchedBlock(offset, row, data)

    def _error(self, taken: TakenBlock, row: BlockRow) -> EmergeError:
        """Return why a block cannot be had."""
        holders = {holder for why in taken.missing.values() for holder in why} or {""}
        errors = [self._errors[holder] for holder in holders if holder in self._errors]
        if len(holders) == len(errors) and len({(each.code, each.message) for each in errors}) == 1:
            return errors[0]
        what = f"block {row.name.hex()[:12]} at {taken.block.offset}"
        if row.fragments:
            what = f"{len(taken.missing)} of the {len(row.fragments)} fragments of {what}"
        reasons = dict.fromkeys(f"{holder}: {why}" for each in taken.missing.values() for holder, why in each.items())
        return Unavailable(
            f"{self._path} cannot be read: {what} cannot be had: {'; '.join([*reasons][:4]) or 'nobody has it'}",
            path=self._path,
            remedy="bring back one that has it, or restore the file from a copy: emerge verify says what is missing",
            block=row.name.hex(),
            offset=taken.block.offset,
            missing=[name.hex() for name in taken.missing],
            holders={name.hex(): why for name, why in taken.missing.items()},
        )


def _wrong_size(path: str, offset: int, row: BlockRow, size: int) -> Unavailable:
    return Unavailable(
        f"{path} cannot be read: its map says that the block at {offset} has {row.size} bytes, and it has {size}",
        path=path,
        remedy="restore the file from a copy",
        block=row.name.hex(),
        offset=offset,
        missing=[row.name.hex()],
    )


async def fetch_named(path: str, holders: HolderDirectory, name: bytes) -> bytes:
    """Return what is kept under one name, verified. Raises EmergeError."""

    async def rows() -> AsyncIterator[list[FileRow]]:
        yield [FileRow(0, make_layout(), BlockRow(name, 0))]

    stream = BlockStream(path, holders, rows(), find=False)
    try:
        found = await stream.next()
    finally:
        await stream.close()
    assert found is not None
    if found.error is not None:
        raise found.error
    return found.data
