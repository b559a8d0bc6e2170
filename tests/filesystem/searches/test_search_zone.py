"""Moments in time zones are found the same with an index and without one, also where a clock is set back."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from emerge_wasm import EmergeFile
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.operations import Context
from emerge_wasm.stores.memory import MemoryStore

ROME, YORK = ZoneInfo("Europe/Rome"), ZoneInfo("America/New_York")


@dataclass
class Event(EmergeFile):
    when: Any = None


def moments() -> list[datetime]:
    """Around the hour that Rome's clocks show twice, and the one that they never show, in two zones and in UTC."""
    found = []
    for start in (datetime(2024, 10, 27, 0, 30), datetime(2024, 3, 31, 0, 30)):
        for step in range(4):
            naive = start + step * timedelta(minutes=60)
            found += [naive.replace(tzinfo=ROME, fold=fold) for fold in (0, 1)]
            found += [naive.replace(tzinfo=UTC), naive.replace(tzinfo=UTC).astimezone(YORK)]
    return found


COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    ">": operator.gt,
}


async def test_an_index_finds_what_python_finds() -> None:
    filesystem = await Filesystem.open(MemoryStore(), node="alpha")
    async with Client(LocalTransport(filesystem, Context("ann", superuser=True))) as client:
        events = [Event(path="/events", name=f"e{number:02}", when=when) for number, when in enumerate(moments())]
        await client.storeall(events)
        for _ in range(2):
            for bound in moments()[::3]:
                for sign, predicate in (
                    ("<", lambda o, bound=bound: o.when < bound),
                    ("<=", lambda o, bound=bound: o.when <= bound),
                    ("==", lambda o, bound=bound: o.when == bound),
                    (">", lambda o, bound=bound: bound < o.when),
                ):
                    names = sorted(each.name for each in await client.search(predicate, "/events"))
                    assert names == [each.name for each in events if COMPARE[sign](each.when, bound)], (sign, bound)
            await client.index("/events", "when")
        rows = await client.aggregate("/events", first=("min", "when"), last=("max", "when"))
    await filesystem.close()
    instants = [when.astimezone(UTC) for when in moments()]
    assert [rows[0][name].astimezone(UTC) for name in ("first", "last")] == [min(instants), max(instants)]
