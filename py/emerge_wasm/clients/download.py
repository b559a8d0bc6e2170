"""Fetching a file to this machine: it is there once it is whole, and one that was cut off is gone on with."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path
from typing import IO
from uuid import uuid4

from .. import sync
from ..errors import EmergeError, Unavailable
from .block_stream import BlockStream, FetchedBlock, FileRow
from .file_reader import FEW, BlockSource, FileReader
from .part_file import PartFile, not_writable, remove_leftovers
from .transfer import Transfer

IN_A_ROW = 32
"""Blocks that cannot be had, without one in between that can, after which it is given up."""

ROWS = 16
"""Blocks that are looked for in what came before, before others have a turn."""


async def download(reader: FileReader, target: str | os.PathLike[str], transfer: Transfer) -> int:
    """Write an opened file to one of this machine, which is there once it is whole; its size."""
    goal = _goal(target, reader.pointer.name)
    transfer.total = max(reader.size, 0)
    if _is_device(goal):
        with _created(goal) as file:
            return await copy(reader, file, transfer)
    source = reader.source
    if isinstance(source, BlockSource):
        await _download_blocks(source, goal, transfer)
        return source.size
    return await _download_whole(reader, goal, transfer)


async def copy(reader: FileReader, file: IO[bytes], transfer: Transfer) -> int:
    """Write an opened file to another one, piece by piece; how many bytes."""
    done = 0
    async for part in reader:
        file.write(part)
        done += len(part)
        await transfer.add(done, reader.given)
    return done


async def _download_whole(reader: FileReader, goal: Path, transfer: Transfer) -> int:
    """Write what comes as a whole."""
    part = goal.with_name(f".{goal.name}.{uuid4().hex[:8]}.part")
    try:
        with _created(part) as file:
            done = await copy(reader, file, transfer)
        part.replace(goal)
    finally:
        with suppress(OSError):
            part.unlink()
    remove_leftovers(goal)
    return done


async def _download_blocks(source: BlockSource, goal: Path, transfer: Transfer) -> None:
    part = PartFile(goal, source.root, source.size)
    work = _BlockDownload(source, part, transfer)
    try:
        await work.run()
    except EmergeError as error:
        if not part.is_empty:
            kept = f"what came is kept in {part.path}: the same call goes on from there"
            error.remedy = f"{error.remedy}; {kept}" if error.remedy else kept
        raise
    finally:
        part.leave()


class _BlockDownload:
    """The blocks of a file on their way into a part file."""

    def __init__(self, source: BlockSource, part: PartFile, transfer: Transfer) -> None:
        self._source = source
        self._part = part
        self._transfer = transfer
        self._done = 0
        self._lost: list[EmergeError] = []
        self._in_a_row = 0

    async def run(self) -> None:
        find = self._source.size > FEW
        stream = BlockStream(self._source.path, self._source.holders, self._missing(), ordered=False, find=find)
        try:
            while (block := await stream.next()) is not None:
                self._take(block)
                if block.error is None:
                    await self._transfer.add(self._done, stream.given)
        finally:
            await stream.close()
        if self._lost:
            raise self._failure()
        self._part.finish()

    async def _missing(self) -> AsyncGenerator[list[FileRow], None]:
        """Yield the rows of blocks that did not come before."""
        async for rows in self._source.rows():
            for at in range(0, len(rows), ROWS):
                missing = [each for each in rows[at : at + ROWS] if not self._part.recall(each.offset, each.row)]
                came = sum(each.row.size for each in rows[at : at + ROWS]) - sum(each.row.size for each in missing)
                if came:
                    self._done += came
                    self._transfer.resumed += came
                    await self._transfer.add(self._done)
                    if sync.drive is not sync.run_straight:
                        await asyncio.sleep(0)
                if missing:
                    yield missing

    def _take(self, block: FetchedBlock) -> None:
        if block.error is None:
            self._part.write(block.offset, block.row, block.data)
            self._done += len(block.data)
            self._in_a_row = 0
            return
        self._lost.append(block.error)
        self._in_a_row += 1
        if self._in_a_row >= IN_A_ROW or not isinstance(block.error, Unavailable):
            raise self._failure()

    def _failure(self) -> EmergeError:
        """Return what says which blocks cannot be had."""
        first = self._lost[0]
        details = [each.details for each in self._lost]
        if len(self._lost) == 1 or not all("offset" in each for each in details):
            return first
        offsets = sorted({int(each["offset"]) for each in details})
        shown = ", ".join(map(str, offsets[:8])) + (", …" if len(offsets) > 8 else "")
        return Unavailable(
            f"{self._source.path} cannot be read whole: {len(offsets)} of its blocks cannot be had, at {shown}. "
            f"The first: {first.message}",
            path=self._source.path,
            remedy=first.remedy,
            offsets=offsets,
            missing=[name for each in details for name in each["missing"]],
            holders={name: why for each in details for name, why in each.get("holders", {}).items()},
        )


def _goal(target: str | os.PathLike[str], name: str) -> Path:
    goal = Path(target)
    return goal / name if goal.is_dir() else goal


def _is_device(path: Path) -> bool:
    """Whether it is a pipe or a device, which is written to and not replaced."""
    return path.exists() and not path.is_file()


def _created(path: Path) -> IO[bytes]:
    try:
        return path.open("wb")
    except OSError as error:
        raise not_writable(path, error) from None
