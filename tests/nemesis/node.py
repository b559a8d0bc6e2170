"""`emerge node start`, which kills itself in a commit when it is told to, and lies.

On SIGUSR1 it reads POINT and COUNT from the file `death` in its folder: see `kill_at` of tests/backends. What follows
are beginnings of keys, of which one must be written in a commit that counts (SQLite). While there is a file `lies`, it
gives wrong blocks, or none. It collects blocks all the time, claims end soon, and holders ask often what is wanted.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from random import random

from emerge_wasm.cli.main import main
from emerge_wasm.filesystem import filesystem
from emerge_wasm.filesystem.blocks import blocks, collection
from emerge_wasm.filesystem.files.fetch import Fetched
from emerge_wasm.filesystem.repair import keeper
from emerge_wasm.node import held_blocks
from emerge_wasm.results import BlockAnswer

COLLECT_SECONDS = 0.5
CLAIM_SECONDS = 40
"""How long an upload that does not go on is kept: longer than any that goes on makes a pause."""

LIVE_SECONDS = 40
"""How long one is kept whose writer says every 15 s that it goes on."""

REVIEW_SECONDS = 5.0
LIES = Path("lies")
"""It has a line for each block that was wrong or not given."""

getblocks = filesystem.HANDLERS["getblocks"]


async def getblocks_or_lie(*args: object) -> BlockAnswer:
    answer: BlockAnswer = await getblocks(*args)  # type: ignore[misc,assignment]  # as it is in the table
    for name, data in list(answer["blocks"].items()):
        if random() < 0.9:
            may_lie(answer, name, data)
    return answer


def may_lie(answer: BlockAnswer, name: str, data: bytes) -> None:
    """Give another block in the place of one, or none, if there are to be lies."""
    if not LIES.exists():
        return
    with suppress(OSError), LIES.open("a") as told:
        told.write(f"{name}\n")
    if random() < 0.7:
        answer["blocks"][name] = bytes([data[0] ^ 1]) + data[1:] if random() < 0.5 else data[:-1]
    else:
        del answer["blocks"][name]


read = held_blocks.HeldBlocks._read  # private: what holders give to clients and to owners


async def read_or_lie(self: held_blocks.HeldBlocks, names: Sequence[bytes]) -> Fetched:
    found = await read(self, names)
    answer: BlockAnswer = {"blocks": {name.hex(): data for name, data in found.blocks.items()}, "lost": {}}
    for name, data in list(answer["blocks"].items()):
        if random() < 0.9:
            may_lie(answer, name, data)
    return Fetched({bytes.fromhex(name): data for name, data in answer["blocks"].items()}, found.lost)


def arm(*_: object) -> None:
    point, count, *about = Path("death").read_text().split()
    named = (tuple(each.encode() for each in about),) if about else ()
    import_module(f"tests.backends.{sys.argv[1]}").kill_at(point, int(count), *named)


if __name__ == "__main__":
    collection.Collection.__init__.__defaults__ = (COLLECT_SECONDS,)  # patched: between any two steps of a put
    blocks.CLAIM_SECONDS = collection.CLAIM_SECONDS = (
        CLAIM_SECONDS  # patched: so that what died is cleared away in time
    )
    blocks.LIVE_SECONDS = LIVE_SECONDS  # patched: as the line above
    held_blocks.REVIEW_SECONDS = REVIEW_SECONDS  # patched: as the line above
    keeper.LOOK_SECONDS = 1.0  # patched: as the line above
    keeper.EVERY_SECONDS = 10.0  # patched: as the line above
    filesystem.HANDLERS["getblocks"] = getblocks_or_lie  # type: ignore[assignment]  # patched: a holder that lies
    held_blocks.HeldBlocks._read = read_or_lie  # type: ignore[method-assign]  # patched: as the line above
    signal.signal(signal.SIGUSR1, arm)
    main(sys.argv[2:])
