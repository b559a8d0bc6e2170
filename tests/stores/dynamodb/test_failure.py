"""A DynamoDB that is slow, fails, throttles, loses answers or is gone: nothing is lost, or done twice."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest

from emerge_wasm.errors import Conflict, LimitExceeded, PermissionDenied, Unavailable
from emerge_wasm.store import Batch
from emerge_wasm.stores import open_store
from emerge_wasm.stores.dynamodb.open import open_table
from emerge_wasm.stores.dynamodb.store import DynamoDBStore
from emerge_wasm.stores.engine import split_url
from tests.backends.dynamodb import Fault
from tests.contracts.store import puts

from .conftest import Through

WRITE = "TransactWriteItems"
WAIT = 15.0  # seconds, which a busy machine may need
BRIEFLY = 0.2  # the same while nothing can succeed
ALL: list[Fault] = [
    "cut",
    "lose",
    (500, "InternalServerError"),
    (503, "ServiceUnavailable"),
    (400, "ThrottlingException"),
    (400, "ProvisionedThroughputExceededException"),
    0.02,
]
OF_TRANSACTIONS: list[Fault] = [
    (400, "TransactionCanceledException:None,TransactionConflict"),
    (400, "TransactionCanceledException:ThrottlingError,None"),
    (400, "TransactionInProgressException"),
]


def every(number: int, *faults: Fault, of: str = "") -> Callable[[str], Fault | None]:
    """Each of the faults in turn, at every so many requests (of one operation)."""
    seen = 0

    def fault(operation: str) -> Fault | None:
        nonlocal seen
        seen += not of or operation == of
        return faults[seen // number % len(faults)] if seen % number == 0 and operation == (of or operation) else None

    return fault


async def write_all(store: DynamoDBStore, count: int) -> None:
    """So many commits, four at a time: each adds one to a counter and its name to the log."""

    async def write(worker: int) -> None:
        for turn in range(worker, count, 4):
            for _ in range(100):
                [value] = await store.get([("states", b"counter")])
                batch = puts((b"counter", b"%d" % (int(value or b"0") + 1)), (b"of %d" % turn, b"x" * 300))
                batch.expect("states", b"counter", value)
                batch.append("log", b"%d" % turn)
                try:
                    await store.commit(batch)
                    break
                except Conflict:
                    continue
            else:
                raise AssertionError("always a conflict: with itself?")

    await asyncio.gather(*[write(worker) for worker in range(4)])


async def check_all(store: DynamoDBStore, count: int) -> None:
    """Each of them is there once."""
    assert await store.get([("states", b"counter")]) == [b"%d" % count]
    log = await store.scan("log")
    assert [int.from_bytes(key, "big") for key, _ in log] == list(range(1, count + 1))
    assert sorted(int(name) for _, name in log) == list(range(count))
    assert len(await store.scan("states", b"of")) == count


async def test_answers_are_lost(through: Through) -> None:
    """The server has done it, and the connection is cut: it is asked again, and does not do it again."""
    store = await through.open(wait=5)
    through.proxy.fault = every(2, "lose", of=WRITE)
    await write_all(store, 20)
    assert through.proxy.asked[WRITE] > 30
    await check_all(store, 20)


@pytest.mark.parametrize("seed", [1, 2])
async def test_everything_goes_wrong_now_and_then(through: Through, seed: int) -> None:
    source = random.Random(seed)
    store = await through.open(wait=10)

    def fault(operation: str) -> Fault | None:
        kinds = [*ALL, *OF_TRANSACTIONS] if operation.startswith("Transact") else ALL
        return source.choice(kinds) if source.random() < 0.3 else None

    through.proxy.fault = fault
    await write_all(store, 24)
    big = random.Random(seed).randbytes(1 << 20)
    await store.commit(puts((b"big", big)))
    await check_all(store, 24)
    assert await store.get([("states", b"big"), ("states", b"none")]) == [big, None]
    await store.commit(Batch(counts=[("states", b"of", None, 24)], deletes=[("states", b"big")]))


async def test_request_arrives_late(through: Through) -> None:
    """The first request hangs, is given up and repeated, and arrives after all: done once."""
    store = await through.open(wait=1.5)
    through.proxy.fault = every(3, 1.0, of=WRITE)
    for number in range(6):
        assert await store.commit(Batch(appends=[("log", b"%d" % number)])) == [number + 1]
    await asyncio.sleep(0.4)
    assert [value for _, value in await store.scan("log")] == [b"%d" % number for number in range(6)]


async def test_outcome_that_stays_unknown_is_said_to_be(through: Through) -> None:
    store = await through.open(wait=WAIT)
    through.proxy.fault = lambda operation: "lose" if operation == WRITE else None
    store.table.wait = BRIEFLY
    with pytest.raises(Unavailable, match="not known") as caught:
        await store.commit(Batch(appends=[("log", b"perhaps")]))
    assert caught.value.details["unknown"] is True
    through.proxy.fault = lambda operation: None
    store.table.wait = WAIT
    assert await store.commit(Batch(appends=[("log", b"next")])) == [2]
    assert [value for _, value in await store.scan("log")] == [b"perhaps", b"next"]


async def test_what_was_certainly_not_done_is_not_unknown(through: Through) -> None:
    store = await through.open(wait=WAIT)
    through.proxy.fault = every(1, (400, "TransactionCanceledException:TransactionConflict"), of=WRITE)
    store.table.wait = BRIEFLY
    with pytest.raises(Unavailable, match="try again later") as caught:
        await store.commit(puts((b"k", b"v")))
    assert "unknown" not in caught.value.details
    through.proxy.fault = lambda operation: None
    store.table.wait = WAIT
    assert await store.scan("states") == []


@pytest.mark.parametrize(
    "fault",
    [
        (400, "ProvisionedThroughputExceededException"),
        (400, "RequestLimitExceeded"),
        (400, "ThrottlingException"),
        (400, "TransactionCanceledException:None,ProvisionedThroughputExceeded"),
    ],
)
async def test_no_capacity(through: Through, fault: tuple[int, str]) -> None:
    """What is throttled is not there, and said not to be; reading goes on, and so does the store when it can."""
    store = await through.open(wait=WAIT)
    await store.commit(puts((b"before", b"1")))
    through.proxy.fault = every(1, fault, of=WRITE)
    store.table.wait = BRIEFLY
    batches = [Batch(puts=[("states", b"%d" % each, b"x")], appends=[("log", b"x")]) for each in range(5)]
    for error in await asyncio.gather(*[store.commit(batch) for batch in batches], return_exceptions=True):
        assert isinstance(error, Unavailable) and "takes no more for now" in str(error)
        assert error.remedy and "more capacity" in error.remedy and "unknown" not in error.details
    store.table.wait = WAIT
    assert await store.scan("states") == [(b"before", b"1")]
    through.proxy.fault = every(1, fault)
    store.table.wait = BRIEFLY
    with pytest.raises(Unavailable, match=r"no more for now|try again later"):
        await store.scan("states")
    through.proxy.fault = lambda operation: None
    store.table.wait = WAIT
    assert sorted(await asyncio.gather(*[store.commit(batch) for batch in batches])) == [[1], [2], [3], [4], [5]]
    assert len(await store.scan("states")) == 6


async def test_server_gone_and_back(through: Through) -> None:
    """Reads and commits fail, clearly and soon; when it is back, the same open store works."""
    store = await through.open(wait=WAIT)
    await store.commit(puts((b"k", b"v")))
    await through.proxy.stop()
    store.table.wait = BRIEFLY
    for attempt in (
        store.get([("states", b"k")]),
        store.get([("states", b"k"), ("states", b"l")]),
        store.scan("states"),
        store.commit(puts((b"k", b"new"))),
    ):
        with pytest.raises(Unavailable, match=r"out of reach.*network") as caught:
            await attempt
        assert "unknown" not in caught.value.details
    with pytest.raises(Unavailable, match="out of reach"):
        await open_store(through.url(wait=0.1))
    await through.proxy.start()
    store.table.wait = WAIT
    assert await store.scan("states") == [(b"k", b"v")]
    await store.commit(puts((b"k", b"new")))
    assert await store.get([("states", b"k")]) == [b"new"]


async def test_server_back_while_commits_wait(through: Through) -> None:
    store = await through.open(wait=5)
    await through.proxy.stop()
    waiting = [asyncio.ensure_future(store.commit(Batch(appends=[("log", b"%d" % each)]))) for each in range(8)]
    reading = asyncio.ensure_future(store.get([("states", b"k")]))
    await asyncio.sleep(0.1)
    await through.proxy.start()
    assert sorted(number for [number] in await asyncio.gather(*waiting)) == list(range(1, 9))
    assert await reading == [None]


async def test_slow_server_is_given_up(through: Through) -> None:
    store = await through.open(wait=0.5)
    through.proxy.fault = lambda operation: 10.0
    started = asyncio.get_running_loop().time()
    with pytest.raises(Unavailable, match="out of reach"):
        await store.get([("states", b"k")])
    assert asyncio.get_running_loop().time() - started < 5
    through.proxy.fault = lambda operation: None
    store.table.wait = WAIT
    assert await store.get([("states", b"k")]) == [None]


@pytest.mark.parametrize("code", ["UnrecognizedClientException", "InvalidSignatureException", "AccessDeniedException"])
async def test_wrong_credentials(through: Through, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a very secret key")
    through.proxy.fault = lambda operation: (400, code)
    with pytest.raises(PermissionDenied, match=code) as caught:
        await through.open(wait=5)
    assert "very secret" not in str(caught.value)


async def test_read_only(through: Through) -> None:
    """Who may not write may read; and write as soon as they may."""
    store = await through.open(wait=5)
    await store.commit(puts((b"k", b"v")))
    through.proxy.fault = lambda operation: (400, "AccessDeniedException") if operation == WRITE else None
    with pytest.raises(PermissionDenied, match="read and write"):
        await store.commit(puts((b"k", b"new")))
    assert await store.scan("states") == [(b"k", b"v")]
    through.proxy.fault = lambda operation: None
    await store.commit(puts((b"k", b"new")))


async def test_part_of_a_batch_is_not_done(through: Through) -> None:
    """Of a batch, DynamoDB may leave some for the next request, or all for a later one."""
    store = await through.open(wait=5)
    rows = [(b"%03d" % number, b"x") for number in range(180)]
    for first in (0, 90):
        await store.commit(puts(*rows[first : first + 90]))
    turns = 0

    def some(answer: Any) -> Any:
        nonlocal turns
        turns += 1
        kept = len(answer["Responses"]["stores"]) // 2 if turns % 2 else 0
        items = answer["Responses"]["stores"]
        left = [{"pk": item["pk"], "sk": item["sk"]} for item in items[kept:]]
        answer["Responses"]["stores"] = items[:kept]
        if left:
            answer["UnprocessedKeys"] = {"stores": {"Keys": left, "ConsistentRead": True}}
        return answer

    through.proxy.fault = lambda operation: some if operation == "BatchGetItem" and turns < 6 else None
    assert await store.get([("states", key) for key, _ in rows]) == [b"x"] * 180
    assert turns >= 6


async def test_throttled_batches_are_given_up(through: Through) -> None:
    _, location, options = split_url(through.url(wait=WAIT))
    table, layout = await open_table(location, options)
    table.wait = BRIEFLY

    def none(answer: Any) -> Any:
        return {
            "UnprocessedItems": {"stores": [{"DeleteRequest": {"Key": {"pk": {"S": "x"}, "sk": {"B": "AA=="}}}}] * 2}
        }

    through.proxy.fault = lambda operation: none if operation == "BatchWriteItem" else None
    with pytest.raises(Unavailable, match="no more for now"):
        await table.delete_each([layout.head(), layout.row("states", b"")])
    await table.close()


async def test_more_than_a_transaction_may_read(through: Through) -> None:
    store = await through.open(wait=5)
    await store.commit(puts((b"a", b"1"), (b"b", b"2")))
    too_large = (400, "TransactionCanceledException:ValidationError, size of the items exceeded 4 MB")
    through.proxy.fault = lambda operation: too_large if operation == "TransactGetItems" else None
    assert await store.get([("states", b"a"), ("states", b"b"), ("states", b"c")]) == [b"1", b"2", None]
    through.proxy.fault = lambda operation: too_large if operation == WRITE else None
    with pytest.raises(LimitExceeded, match="commit less at once"):
        await store.commit(puts((b"a", b"3")))
