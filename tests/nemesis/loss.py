"""Holders are lost in the end: what a file's level allows reads back, and else it is said what is missing.

    python -m tests.nemesis.loss PLAN FOLDER

Reads one line of JSON after the other: the nodes that are gone. It answers with what is wrong then, as JSON. To an
empty list it first has all files made whole, and remembers what is in each.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import NamedTuple

from emerge_wasm.blocks.layout import INLINE, Layout, make_layout
from emerge_wasm.clients import Client
from emerge_wasm.errors import EmergeError, NotFound, Unavailable
from emerge_wasm.objects import BLOB
from tests.conftest import ROOT

from .cluster import Deployment
from .content import value_of
from .history import Fault
from .load import Plan, client_of

LOST = 2
"""Nodes that are lost, one after the other."""

SETTLE_SECONDS = 240.0
"""Within which all that lacks is made again, once nothing else happens."""

READ_SECONDS = 40.0
"""Within which a file is read, or it is said why not."""

BACK_SECONDS, LONGEST_BACK = 60.0, 300.0
"""In which those that came back are seen, and told what is not wanted any more, where processes have not to wait for a
processor; and on the busiest machine."""


class Known(NamedTuple):
    """A file as it was when nothing was lost: the node that owns it, how it is laid down, and what is in it."""

    owner: str
    layout: Layout
    value: str
    blocks: int


def lose_holders(cluster: Deployment, plan: Path, folder: Path, dice: Random) -> list[Fault]:
    """Kill one node after the other, and read all files each time; in the end all run again."""
    faults: list[Fault] = []
    with _reader(cluster, plan, folder) as ask:
        lost = [member.name for member in dice.sample(cluster.members, LOST)]
        for number in range(len(lost) + 1):
            if number:
                cluster.member(lost[number - 1]).kill()
            faults += [Fault("files", " ".join(lost[:number]) or "nothing lost", text) for text in ask(lost[:number])]
    for name in lost:
        cluster.member(name).start()
        cluster.member(name).wait(60)
    time.sleep(min(BACK_SECONDS * max(os.getloadavg()[0] / (os.cpu_count() or 1), 1), LONGEST_BACK))
    cluster.whole = True
    return faults


class _Ask:
    def __init__(self, reader: subprocess.Popen[str]) -> None:
        self._reader = reader

    def __call__(self, lost: list[str]) -> list[str]:
        assert self._reader.stdin is not None and self._reader.stdout is not None
        self._reader.stdin.write(json.dumps(lost) + "\n")
        self._reader.stdin.flush()
        told: list[str] = json.loads(self._reader.stdout.readline())
        return told


@contextmanager
def _reader(cluster: Deployment, plan: Path, folder: Path) -> Iterator[_Ask]:
    words = cluster.command(sys.executable, "-m", "tests.nemesis.loss", str(plan), str(folder))
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as reader:
        try:
            yield _Ask(reader)
        finally:
            reader.kill()


class Reader:
    """Reads all files, by way of a node that is there."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self._plan = plan
        self._target = folder / "got-loss"
        self._known: dict[str, Known] = {}

    async def read_all(self, lost: list[str]) -> list[str]:
        client = client_of(self._plan, next(name for name in self._plan.nodes if name not in lost))
        try:
            if not lost:
                return await self._remember(client)
            found = [await self._judge(client, path, known, lost) for path, known in self._known.items()]
            return [text for text in found if text]
        finally:
            await client.close()

    async def _remember(self, client: Client) -> list[str]:
        """Have all made whole, and look what is in each file. What cannot be made whole is wrong."""
        until = time.monotonic() + SETTLE_SECONDS
        while faults := await self._look(client):
            if time.monotonic() > until:
                return faults
            await asyncio.sleep(2)
        return []

    async def _look(self, client: Client) -> list[str]:
        faults: list[str] = []
        try:
            files = [
                each async for each in client.tree("/") if each.type == BLOB and "/conflicts/" not in each.full_path
            ]
        except EmergeError as error:
            return [f"not all is there: {error}"]
        for each in files:
            try:
                await client.repair(each.full_path)
                check = await client.verify(each.full_path)
                if check["amiss"]:
                    faults.append(f"{each.full_path} {check['layout']} lacks {check['amiss'][0]}")
                value = await self._fetch(client, each.full_path)
            except EmergeError as error:
                faults.append(f"{each.full_path} cannot be read: {error}")
                continue
            if value.startswith("wrong"):
                faults.append(f"{each.full_path} is {value}")
            layout = make_layout() if check["layout"] == INLINE else Layout.unpack(check["layout"])
            self._known[each.full_path] = Known(each.node, layout, value, check["blocks"])
        return faults

    async def _fetch(self, client: Client, path: str) -> str:
        try:
            async with asyncio.timeout(READ_SECONDS):
                await client.fetch(path, self._target)
            return value_of(self._target)
        finally:
            for file in self._target.parent.glob(self._target.name + "*"):
                file.unlink()

    async def _judge(self, client: Client, path: str, known: Known, lost: list[str]) -> str:
        """Say what is wrong with how a file is read now; nothing: ""."""
        try:
            value = await self._fetch(client, path)
        except TimeoutError:
            return f"{path} of {known} is not answered within {READ_SECONDS} s"
        except NotFound as error:
            return f"{path} of {known} is said not to be there: {error}"
        except Unavailable as error:
            if known.owner not in lost and len(lost) <= known.layout.parity:
                return f"{path} of {known} cannot be read: {error}"
            names = [name for name in lost if name in str(error) or name in error.details.get("missing", [])]
            return "" if names or error.details.get("block") else f"{path} does not say what is missing: {error}"
        return "" if value == known.value else f"{path} of {known} is {value}"


async def main(plan: Plan, folder: Path) -> None:
    reader = Reader(plan, folder)
    for line in sys.stdin:
        print(json.dumps(await reader.read_all(json.loads(line))), flush=True)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(Plan(**json.loads(Path(sys.argv[1]).read_text())), Path(sys.argv[2])))
