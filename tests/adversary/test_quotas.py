"""What one principal has is bounded by quotas, and what others have does not count for it."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emerge_wasm import EmergeFile
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.context import Context
from emerge_wasm.errors import EmergeError, Invalid, LimitExceeded
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.quota import MINUTE, USAGE, Quotas, Usage, read_quotas
from emerge_wasm.filesystem.runs.capacity import Capacity, Seat
from emerge_wasm.stores.memory import MemoryStore
from tests.scale import examples

ROOT = Context("root", superuser=True)
OBJECTS, BYTES = 6, 2_000


@dataclass
class Note(EmergeFile):
    text: str = ""


NAMES = st.sampled_from("abcdef")
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["anna", "bert"]),
        st.one_of(
            st.tuples(st.just("store"), NAMES, st.integers(0, 900)),
            st.tuples(st.just("many"), st.integers(1, 8)),
            st.tuples(st.just("rm"), NAMES),
            st.tuples(st.just("cp"), NAMES, NAMES),
            st.tuples(st.just("mv"), NAMES, NAMES),
            st.tuples(st.just("chmod"), NAMES),
            st.tuples(st.just("retain"), st.sampled_from(["1", "all"])),
            st.tuples(st.just("together"), st.integers(2, 5)),
            st.tuples(st.just("purge"), st.sampled_from(["", "/a", "/b", "/c"])),
            st.tuples(st.just("rolled back"), st.integers(1, 3)),
        ),
    ),
    max_size=25,
)


async def take(client: Client, who: str, step: tuple[object, ...]) -> None:
    at = f"/home/{who}"
    match step:
        case ("store", name, size):
            await client.store(Note(name=str(name), path=at, text="x" * int(str(size))))
        case ("many", count):
            await client.storeall([Note(name=f"m{number}", path=at) for number in range(int(str(count)))])
        case ("rm", name):
            await client.rm(f"{at}/{name}")
        case ("cp", name, other):
            await client.cp(f"{at}/{name}", f"{at}/{other}")
        case ("mv", name, other):
            await client.mv(f"{at}/{name}", f"{at}/{other}")
        case ("chmod", name):
            await client.chmod(f"{at}/{name}", "rwxrwxrwx")
        case ("retain", keep):
            await client.retain(at, str(keep))
        case ("purge", below):
            await client.purge(f"{at}{below}")
        case ("rolled back", count):
            with suppress(KeyError):
                async with client.transaction() as inside:
                    for pointer in (await client.list(at)).items[: int(str(count))]:
                        await inside.rm(pointer.full_path)
                    await inside.purge(at)
                    raise KeyError
        case ("together", count):
            notes = [Note(name=f"t{number}", path=at, text="y" * 300) for number in range(int(str(count)))]
            results = await asyncio.gather(*map(client.store, notes), return_exceptions=True)
            for each in results:
                if isinstance(each, BaseException):
                    raise each


async def counted(filesystem: Filesystem) -> tuple[Counter[str], Counter[str]]:
    """What a fresh reading of the store counts."""
    fresh = Usage(Quotas(1, 1), filesystem.core.store)
    await fresh._count()
    assert fresh._stored is not None
    return fresh._stored.objects, fresh._stored.bytes


@settings(max_examples=examples(25), deadline=None)
@given(steps=STEPS)
def test_nobody_has_more_than_the_quota_and_the_count_follows_the_store(
    steps: list[tuple[str, tuple[object, ...]]],
) -> None:
    async def main() -> None:
        filesystem = await Filesystem.open(MemoryStore(), node="n", quotas=Quotas(OBJECTS, BYTES))
        root = Client(LocalTransport(filesystem, ROOT))
        for who in ("anna", "bert"):
            await root.mkdir(f"/home/{who}")
            await root.chown(f"/home/{who}", who)
        clients = {who: Client(LocalTransport(filesystem, Context(who))) for who in ("anna", "bert")}
        for who, step in steps:
            before = await counted(filesystem)
            try:
                await take(clients[who], who, step)
            except LimitExceeded as error:
                assert error.details["limit"] in ("objects", "bytes") and who in error.message and error.remedy
                if step[0] != "together":
                    assert await counted(filesystem) == before
            except EmergeError:
                pass
            objects, sizes = await counted(filesystem)
            assert max(objects["anna"], objects["bert"]) <= OBJECTS and max(sizes["anna"], sizes["bert"]) <= BYTES
            followed = USAGE.of(filesystem.core)._stored
            assert followed is not None
            assert {name: count for name, count in followed.objects.items() if count} == dict(objects)
            assert +followed.bytes == sizes
        await root.storeall([Note(name=f"r{number}", path="/home/anna", text="z" * 900) for number in range(20)])
        await filesystem.close()

    asyncio.run(main())


async def test_who_removes_has_room_at_once_and_others_always() -> None:
    filesystem = await Filesystem.open(MemoryStore(), node="n", quotas=Quotas(objects=3))
    root = Client(LocalTransport(filesystem, ROOT))
    await root.mkdir("/open")
    await root.chmod("/open", "rwxrwxrwx")
    anna, bert = (Client(LocalTransport(filesystem, Context(who))) for who in ("anna", "bert"))
    for name in "abc":
        await anna.store(Note(name=name, path="/open"))
    with pytest.raises(LimitExceeded, match=r"anna has 3 objects, and 1 more would be above the quota of 3"):
        await anna.store(Note(name="d", path="/open"))
    await bert.store(Note(name="d", path="/open"))
    await anna.rm("/open/a")
    await anna.store(Note(name="e", path="/open"))
    await filesystem.close()


@settings(max_examples=examples(50), deadline=None)
@given(
    most=st.floats(1, 20),
    runs=st.lists(st.tuples(st.sampled_from(["anna", "bert", ""]), st.floats(0, 8), st.floats(0, 30)), max_size=40),
)
def test_nobody_runs_longer_than_the_quota_of_a_minute_and_one_run(
    most: float, runs: list[tuple[str, float, float]]
) -> None:
    now = 0.0
    usage = Usage(Quotas(running=most), clock=lambda: now)
    ran: dict[str, list[tuple[float, float]]] = {}
    for who, seconds, pause in runs:
        context = Context(who)
        try:
            usage.check_running(context)
        except LimitExceeded as error:
            assert 0 < error.details["reset"] <= MINUTE
            now += error.details["reset"] + 0.1
            usage.check_running(context)  # as it said
        now += seconds
        usage.ran(context, seconds)
        ran.setdefault(who, []).append((now, seconds))
        now += pause
    for mine in ran.values():
        for start, _ in mine:  # at most the ends of two minutes, each with one run that began in time
            within = [seconds for end, seconds in mine if start <= end < start + MINUTE]
            assert sum(within) <= 2 * (most + max(within)) + 1e-6
    for _ in range(50):
        usage.ran(ROOT, 1e6)
        usage.check_running(ROOT)


async def test_a_seat_that_is_lent_is_not_paid_for(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("emerge_wasm.filesystem.runs.capacity.monotonic", lambda: now)
    paid: list[float] = []
    async with Seat(Capacity(), 2, "anna", 0, paid.append) as _, Seat(Capacity(), 2, "anna", 0, paid.append) as _:
        now = 3.0
    assert paid == [3.0, 3.0]
    paid.clear()
    seat = Seat(Capacity(), 2, "anna", 0, paid.append)
    async with seat:
        now = 4.0
        async with seat.lent():
            now = 100.0
        now = 102.0
    assert paid == [1.0, 2.0]


def test_quotas_are_read_and_what_is_none_is_named() -> None:
    assert read_quotas(["objects=10", "bytes=2G", "running=1.5"]) == Quotas(10, 2 << 30, 1.5)
    assert read_quotas(["bytes=512"]) == Quotas(bytes=512)
    for text in (
        "objects",
        "objects=",
        "objects=1.5",
        "objects=2K",
        "bytes=G",
        "bytes=-1",
        "speed=3",
        "running=nan",
        "=1",
    ):
        with pytest.raises(Invalid, match="quota"):
            read_quotas([text])


async def test_who_is_counted_in_a_transaction_meets_nobody_by_that() -> None:
    filesystem = await Filesystem.open(MemoryStore(), node="n", quotas=Quotas(objects=10))
    root = Client(LocalTransport(filesystem, ROOT))
    for who in ("anna", "bert"):
        await root.mkdir(f"/{who}")
        await root.chown(f"/{who}", who)
    USAGE.of(filesystem.core)._stored = None  # as when the node has just begun
    anna, bert = (Client(LocalTransport(filesystem, Context(who))) for who in ("anna", "bert"))
    await root.chmod("/", "rwxr-xr-x")
    async with anna.transaction() as inside:
        await inside.store(Note(name="a", path="/anna"))
        await bert.store(Note(name="b", path="/bert"))
    assert [each.name for each in await anna.list("/anna")] == ["a"]
    await filesystem.close()
