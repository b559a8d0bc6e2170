"""What only the DynamoDB store does: limits of its transactions, large values, sweeping, many writers, its options."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from emerge_wasm.errors import Conflict, Invalid, LimitExceeded, PermissionDenied, Unavailable
from emerge_wasm.store import Batch, Key
from emerge_wasm.stores import open_store
from emerge_wasm.stores.dynamodb import row as dynamodb_row
from emerge_wasm.stores.dynamodb import value as dynamodb_value
from emerge_wasm.stores.dynamodb.open import open_table
from emerge_wasm.stores.dynamodb.row import Item, TableLayout, TouchedKey, read_head
from emerge_wasm.stores.dynamodb.store import DynamoDBStore
from emerge_wasm.stores.dynamodb.table import DynamoDBTable
from emerge_wasm.stores.dynamodb.value import KEEP, UPLOAD, Sweeper
from emerge_wasm.stores.dynamodb.write import LARGE, ROWS, SMALL
from emerge_wasm.stores.engine import split_url
from tests.backends import Started
from tests.contracts.store import puts, scan_all

from .conftest import Through

Open = Callable[..., Any]


async def opened(url: str) -> DynamoDBStore:
    store = await open_store(url)
    assert isinstance(store, DynamoDBStore)
    return store


@pytest.fixture
def url(backends: Started) -> str:
    return backends.url("dynamodb")


@pytest.fixture
async def store(url: str) -> AsyncIterator[DynamoDBStore]:
    store = await opened(url)
    yield store
    await store.close()


Beside = tuple[DynamoDBTable, TableLayout]


@pytest.fixture
async def beside(url: str) -> AsyncIterator[Beside]:
    """The store's table, and where it lies there, as another process has them."""
    table, layout = await table_of(url)
    yield table, layout
    await table.close()


async def table_of(url: str) -> Beside:
    _, location, options = split_url(url)
    return await open_table(location, options)


async def everything(beside: Beside) -> list[Item]:
    """All items of this store but its head."""
    table, layout = beside
    request: Item = {"TableName": "stores"}
    found: list[Item] = []
    while True:
        answer = await table.ask("scan", request)
        found += [item for item in answer["Items"] if item["pk"]["S"].startswith(f"{layout.prefix}:")]
        if "LastEvaluatedKey" not in answer:
            return [item for item in found if "q" not in item]
        request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]


async def items(beside: Beside) -> list[Item]:
    """All items of this store that are not rows."""
    return [item for item in await everything(beside) if "s" not in item]


async def marks(beside: Beside) -> int:
    """How many rows are marks of deleted keys."""
    return sum("s" in item and "v" not in item and "x" not in item for item in await everything(beside))


# --- limits


async def test_largest_batch_of_the_largest_rows(url: str) -> None:
    """All of it is one transaction, whatever the sizes, and with conditions on other rows too."""
    store = await opened(url.replace("://stores?", "://large?"))
    for most, some in ((SMALL, SMALL), (SMALL + 1, LARGE + 1)):
        sizes = [most] * (ROWS - 4) + [some] * 3
        batch = puts(*[(b"%02d" % number, bytes([number]) * size) for number, size in enumerate(sizes)])
        batch.append("log", bytes(some))
        await store.commit(batch)
        batch.expects = [("states", key, value) for _, key, value in batch.puts]
        batch.expects += [("entries", b"%d" % number, None) for number in range(200)]
        await store.commit(batch)
    assert await store.scan("states") == [(key, value) for _, key, value in batch.puts]
    assert await store.get([("states", key) for _, key, _ in batch.puts]) == [value for *_, value in batch.puts]
    await store.close()
    table, _ = await table_of(url)
    await table.ask("delete_table", {"TableName": "large"})
    await table.close()


async def test_longest_key(store: DynamoDBStore) -> None:
    key = b"\xff" * dynamodb_row.KEY_LIMIT
    await store.commit(puts((key, b"long"), (key[:-1], b"shorter")))
    with pytest.raises(LimitExceeded, match="shorter name") as caught:
        await store.commit(puts((key + b"\xff", b"longer")))
    assert caught.value.details["limit"] == "largest_key"
    assert await store.get([("states", key), ("states", key + b"\0")]) == [b"long", None]
    assert await store.scan("states", key[:-1] + b"\0") == [(key, b"long")]
    assert await store.scan("states", key + b"\0") == []
    assert await store.scan("states", b"", key + b"\0") == [(key[:-1], b"shorter"), (key, b"long")]
    assert await scan_all(store, "states", 1) == await scan_all(store, "states", 1000)
    await store.commit(Batch(deletes=[("states", key + b"\0")], expects=[("states", key + b"\0", None)]))
    with pytest.raises(Conflict):
        await store.commit(Batch(expects=[("states", key + b"\0", b"")]))
    await store.commit(Batch(counts=[("states", key, None, 1)]))


async def test_many_keys_at_once(store: DynamoDBStore) -> None:
    rows = [(b"%03d" % number, b"%d" % number) for number in range(350)]
    for first in range(0, len(rows), ROWS):
        await store.commit(puts(*rows[first : first + ROWS]))
    wanted: list[Key] = [("states", b"%03d" % number) for number in range(400)]
    assert await store.get(wanted) == [value for _, value in rows] + [None] * 50


# --- what is left behind


async def test_large_values_are_swept_when_replaced(store: DynamoDBStore, beside: Beside) -> None:
    big = bytes(range(256)) * 4000
    await store.commit(puts((b"a", big), (b"b", big)))
    assert len(await items(beside)) == 6
    await store.commit(puts((b"a", b"small")))
    await store.commit(Batch(deletes=[("states", b"b")], expects=[("states", b"b", big)]))
    assert await store.scan("states") == [(b"a", b"small")]
    sweeper = Sweeper(*beside)
    assert await sweeper.sweep(time.time() + KEEP / 2) == 0
    assert await sweeper.sweep(time.time() + KEEP + 1) == 2
    assert await items(beside) == [] and await marks(beside) == 0
    assert await store.scan("states") == [(b"a", b"small")]


async def test_same_large_value_in_two_rows(store: DynamoDBStore, beside: Beside) -> None:
    big = bytes(LARGE + 1)
    await store.commit(puts((b"a", big), (b"b", big)))
    await store.commit(puts((b"a", b"")))
    await Sweeper(*beside).sweep(time.time() + KEEP + 1)
    assert await store.get([("states", b"b"), ("states", b"a")]) == [big, b""]


async def test_pieces_without_a_commit_are_swept(through: Through) -> None:
    store = await through.open(wait=15)
    through.proxy.fault = lambda operation: "cut" if operation == "TransactWriteItems" else None
    store.table.wait = 0.2
    with pytest.raises(Unavailable):
        await store.commit(puts((b"a", bytes(LARGE + 1))))
    through.proxy.fault = lambda operation: None
    beside = await table_of(through.url(wait=5))
    assert len(await items(beside)) == 2
    sweeper = Sweeper(*beside)
    assert await sweeper.sweep(time.time() + UPLOAD / 2) == 0
    assert await sweeper.sweep(time.time() + UPLOAD + 1) == 1
    assert await items(beside) == []
    await beside[0].close()


async def test_commit_does_not_point_to_swept_pieces(url: str, beside: Beside, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the sweep was first, the commit is refused as a whole."""
    store = await opened(url)
    store.table.wait = 0.2
    transact: Any = DynamoDBTable.transact

    async def sweep_first(self: DynamoDBTable, items: Any) -> None:
        await Sweeper(*beside).sweep(time.time() + UPLOAD + 1)
        await transact(self, items)

    with monkeypatch.context() as patch:
        patch.setattr(DynamoDBTable, "transact", sweep_first)  # patched: a race of milliseconds
        with pytest.raises(Unavailable):
            await store.commit(puts((b"a", bytes(LARGE + 1)), (b"b", b"")))
    store.table.wait = 15
    assert await store.scan("states") == []
    await store.close()


async def test_reader_overtaken_by_a_sweep(
    store: DynamoDBStore, beside: Beside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row is read, and before its pieces are, it is replaced and they are gone: the new value is what is read."""
    await store.commit(puts((b"a", bytes(LARGE + 1))))
    read: Any = dynamodb_value.read_moved
    once = [True]

    async def late(*args: Any) -> Any:
        if once.pop() if once else False:
            await store.commit(puts((b"a", b"new")))
            await Sweeper(*beside).sweep(time.time() + KEEP + 1)
        return await read(*args)

    monkeypatch.setattr("emerge_wasm.stores.dynamodb.store.read_moved", late)  # patched: a race of milliseconds
    assert await store.get([("states", b"a")]) == [b"new"]


async def test_marks_of_deleted_keys(store: DynamoDBStore, beside: Beside) -> None:
    """They are neither seen nor counted; a key that came back stays when its old mark is swept."""
    await store.commit(puts(*[(b"%02d" % number, b"") for number in range(40)]))
    await store.commit(Batch(deletes=[("states", b"%02d" % number) for number in range(1, 40)]))
    assert await marks(beside) == 39
    assert await store.scan("states", limit=2) == [(b"00", b"")]
    assert await store.scan("states", limit=1, reverse=True) == [(b"00", b"")]
    await store.commit(Batch(counts=[("states", b"", None, 1)], puts=[("states", b"05", b"back")]))
    await Sweeper(*beside).sweep(time.time() + KEEP + 1)
    assert await marks(beside) == 0
    assert await store.scan("states") == [(b"00", b""), (b"05", b"back")]


# --- many at once


async def test_waiting_commits_share_transactions(store: DynamoDBStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """64 at once, every eighth failing: each has its own answer."""
    sizes: list[int] = []
    transact: Any = DynamoDBTable.transact

    async def counted(self: DynamoDBTable, items: Any) -> None:
        sizes.append(len(items))
        await transact(self, items)

    monkeypatch.setattr(DynamoDBTable, "transact", counted)  # patched: the server does not tell their sizes
    batches = [puts((b"%d" % number, b"x")) for number in range(64)]
    for batch in batches[::8]:
        batch.expect("states", b"none", b"never")
    answers = await asyncio.gather(*[store.commit(batch) for batch in batches], return_exceptions=True)
    assert all(isinstance(answer, Conflict) for answer in answers[::8])
    assert [answer for answer in answers if not isinstance(answer, Conflict)] == [[]] * 56
    assert len(sizes) <= 4 and max(sizes) > 30


async def test_usual_commit_reads_nothing(through: Through) -> None:
    store = await through.open(wait=5)
    await store.commit(puts((b"a", b"1")))
    through.proxy.asked.clear()
    batch = puts((b"a", b"2"), (b"new", b""))
    batch.expects = [("states", b"a", b"1"), ("states", b"new", None), ("entries", b"other", None)]
    batch.append("log", b"")
    await store.commit(batch)
    assert through.proxy.asked == {"TransactWriteItems": 1}
    await store.get([("states", b"a"), ("states", b"new")])
    await store.scan("states")
    assert through.proxy.asked == {"TransactWriteItems": 1, "TransactGetItems": 1, "GetItem": 1, "Query": 1}
    through.proxy.asked.clear()
    await asyncio.gather(*[store.get([("states", b"%d" % (number % 80))]) for number in range(100)])
    assert through.proxy.asked == {"BatchGetItem": 1}, "what is asked for at once shares a request"


async def test_pages_beside_a_stranger(store: DynamoDBStore, url: str) -> None:
    """Another writer moves rows about, ten there at any moment: whoever reads sees ten, of whatever commit."""
    stranger = await opened(url)
    await stranger.commit(puts(*[(b"%04d" % number, b"") for number in range(0, 1000, 100)]))

    async def move() -> None:
        for turn in range(40):
            old, new = turn % 10 * 100 + turn // 10, turn % 10 * 100 + turn // 10 + 1
            batch = puts((b"%04d" % new, b""))
            batch.delete("states", b"%04d" % old)
            await stranger.commit(batch)

    moving = asyncio.ensure_future(move())
    wanted: list[Key] = [("states", b"%04d" % number) for number in range(1000)]
    while not moving.done():
        assert len(await store.scan("states")) == 10
        assert len(await store.scan("states", limit=4)) == 4
        assert sum(value is not None for value in await store.get(wanted)) == 10
        await store.commit(Batch(counts=[("states", b"", None, 10)]))
    await moving
    await stranger.close()


async def test_page_of_several_queries(store: DynamoDBStore, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit comes between two queries for one page, before and after where they are: it is not in it in part."""
    stranger = await opened(url)
    await store.commit(puts(*[(b"%d" % number, b"old") for number in range(1, 7)]))
    between: list[Batch] = []
    query: Any = DynamoDBTable.query

    async def by_two(self: DynamoDBTable, request: Item) -> Any:
        answer = await query(self, request | {"Limit": 2})
        if between:
            await stranger.commit(between.pop())
        return answer

    monkeypatch.setattr(DynamoDBTable, "query", by_two)  # patched: else a page has a megabyte
    between.append(puts((b"0", b"new"), (b"9", b"new")))
    assert [key for key, _ in await store.scan("states")] == [b"1", b"2", b"3", b"4", b"5", b"6"]
    between.append(puts((b"1", b"new"), (b"6", b"new")))
    assert {value for key, value in await store.scan("states") if key in (b"1", b"6")} == {b"new"}
    between.append(Batch(deletes=[("states", b"0"), ("states", b"9")]))
    assert len(await store.scan("states")) == 6
    await stranger.close()


async def test_half_seen_commit_is_waited_for(
    store: DynamoDBStore, beside: Beside, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The head shows a commit some of whose rows consistent reads do not show yet: no page is made without them."""
    stranger = await opened(url)
    await store.commit(puts((b"a", b"old")))
    get_each: Any = DynamoDBTable.get_each
    table, layout = beside
    before = await table.get_each([layout.row("states", b"a")])
    await stranger.commit(puts((b"a", b"new"), (b"b", b"new")))
    looks: list[int] = []

    async def behind(self: DynamoDBTable, keys: Any) -> Any:
        looks.append(len(keys))
        return before if len(looks) < 3 else await get_each(self, keys)

    monkeypatch.setattr(DynamoDBTable, "get_each", behind)  # patched: no server of ours shows half a commit
    assert await store.scan("states") == [(b"a", b"new"), (b"b", b"new")]
    assert looks == [2, 2, 2]
    item = await table.get(layout.head())
    assert item is not None
    head = read_head(item)
    assert set(head.touched) == {TouchedKey("states", b"a", True), TouchedKey("states", b"b", True)}
    await store.scan("states")
    assert len(looks) == 3, "a commit is waited for once"
    await stranger.close()


# --- what it opens


async def test_newer_format(url: str, beside: Beside) -> None:
    store = await opened(url)
    table, layout = beside
    await table.ask(
        "update_item",
        {
            "TableName": "stores",
            "Key": layout.head(),
            "UpdateExpression": "SET f = :f",
            "ExpressionAttributeValues": {":f": {"N": "99"}},
        },
    )
    with pytest.raises(Invalid, match=r"format 99.*upgrade"):
        await store.scan("states")
    await store.close()
    with pytest.raises(Invalid, match=r"format 99.*upgrade"):
        await opened(url)


async def test_table_is_made_or_not(url: str, backends: Started) -> None:
    fresh = url.replace("://stores?", "://fresh?")
    with pytest.raises(Invalid, match=r"no DynamoDB table fresh.*create=no"):
        await opened(fresh + "&create=no")
    first, second = await asyncio.gather(opened(fresh), opened(fresh))
    await first.commit(puts((b"k", b"v")))
    assert await second.get([("states", b"k")]) == [b"v"]
    table, _ = await table_of(fresh)
    await table.ask("delete_table", {"TableName": "fresh"})
    await table.close()
    with pytest.raises(Unavailable, match="no DynamoDB table fresh"):
        await first.commit(puts((b"k", b"v")))
    await first.close()
    await second.close()


async def test_table_of_others(beside: Beside, url: str) -> None:
    schema = {"KeySchema": [{"AttributeName": "song", "KeyType": "HASH"}], "BillingMode": "PAY_PER_REQUEST"}
    attributes = [{"AttributeName": "song", "AttributeType": "S"}]
    await beside[0].ask("create_table", {"TableName": "songs", "AttributeDefinitions": attributes, **schema})
    with pytest.raises(Invalid, match="not of Emerge stores"):
        await opened(url.replace("://stores?", "://songs?"))


async def test_store_is_gone(store: DynamoDBStore, beside: Beside) -> None:
    table, layout = beside
    await store.commit(puts((b"k", b"v")))
    await table.delete_each([layout.head()])
    for attempt in (store.commit(puts((b"k", b"w"))), store.scan("states")):
        with pytest.raises(Unavailable, match=r"is gone.*open it again"):
            await attempt


@pytest.mark.parametrize(
    "url",
    [
        "dynamodb://",
        "dynamodb://ab",
        "dynamodb://user:secret@host/table",
        "dynamodb://table?endpoint=localhost:8000",
        "dynamodb://table?endpoint=http://user:secret@localhost",
        "dynamodb://table?wait=long",
        "dynamodb://table?create=maybe",
        "dynamodb://table?prefix=a:b",
        "dynamodb://table?prefix=",
        "dynamodb://table?shards=3",
        "dynamodb://table?region=not%20a%20region",
    ],
)
async def test_wrong_url(url: str) -> None:
    with pytest.raises(Invalid) as caught:
        await open_store(url)
    assert caught.value.remedy


async def test_no_region_and_no_credentials(url: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(Invalid, match=r"region=.*AWS_DEFAULT_REGION"):
        await open_store(url.replace("&region=us-east-1", ""))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(PermissionDenied, match="set AWS_ACCESS_KEY_ID"):
        await open_store(url)
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(Invalid, match="AWS_PROFILE"):
        await open_store(url)


def test_missing_package() -> None:
    code = (
        "import asyncio, sys; sys.modules['aiobotocore'] = None\n"
        "from emerge_wasm.stores import open_store\n"
        "try: asyncio.run(open_store('dynamodb://table'))\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Unavailable") and "pip install 'emerge-wasm[dynamodb]'" in done.stdout


def test_ranges() -> None:
    """First and last sort key of a range: every key is inside just when it should be."""
    limit = dynamodb_row.KEY_LIMIT
    keys = [
        b"",
        b"\0",
        b"\0\0",
        b"a",
        b"a\0",
        b"a\xff",
        b"b",
        b"\xff",
        b"\xff" * limit,
        b"a" * limit,
        b"a" * (limit - 1),
    ]
    bounds = [*keys, b"a" * (limit + 1), b"\xff" * (limit + 1), b"\0" * (limit + 1)]
    for start in bounds:
        for end in [*bounds, None]:
            between = dynamodb_row.span(start, end)
            inside = {key for key in keys if between and between[0] <= dynamodb_row.sort_key(key) <= between[1]}
            assert inside == {key for key in keys if key >= start and (end is None or key < end)}
            assert between is None or (between[0] <= between[1] and len(json.dumps(between[1].hex())) < 2100)
