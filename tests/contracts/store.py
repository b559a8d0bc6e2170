"""What every store must do, as plain scenarios: run on CPython by tests/stores, inside Pyodide by tests/browser.

A scenario gets `open_store`, which opens (and, after a close, opens again) one store that was empty at first.
Imports only the standard library and emerge_wasm. A scenario may be skipped only by a declared capability.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import cycle, pairwise
from random import Random
from typing import Any

from emerge_wasm.errors import Conflict, EmergeError, Invalid, LimitExceeded, Unavailable
from emerge_wasm.filesystem.layout.join import join_rows, scan_joined
from emerge_wasm.store import SPACES, Batch, JoinedRow, JoinRange, Key, KeyPart, Lookup, Store, prefix_end

OpenStore = Callable[[], Awaitable[Store]]
Scenario = Callable[[OpenStore], Awaitable[None]]

STATES, ENTRIES, LOG = "states", "entries", "log"


def puts(*rows: tuple[bytes, bytes], space: str = STATES) -> Batch:
    """A batch that puts these rows."""
    return Batch(puts=[(space, key, value) for key, value in rows])


async def failure(awaitable: Awaitable[object], kind: type[EmergeError]) -> EmergeError:
    """The error of this kind that the awaitable raises; anything else fails the scenario."""
    try:
        result = await awaitable
    except kind as error:
        assert error.message
        return error
    raise AssertionError(f"expected {kind.__name__}, got {result!r}")


async def scan_all(store: Store, space: str, limit: int, reverse: bool = False) -> list[tuple[bytes, bytes]]:
    """All rows of a space, page by page, as the contract says to go on."""
    start, end, rows = b"", None, []
    while True:
        page = await store.scan(space, start, end, limit=limit, reverse=reverse)
        rows += page
        if len(page) < limit:
            return rows
        if reverse:
            end = page[-1][0]
        else:
            start = page[-1][0] + b"\0"


async def scenario_put_get_delete(open_store: OpenStore) -> None:
    store = await open_store()
    assert await store.get([]) == []
    assert await store.get([(STATES, b"a")]) == [None]
    assert await store.commit(puts((b"a", b"1"), (b"b", b"2"))) == []
    assert await store.get([(STATES, b"b"), (STATES, b"none"), (STATES, b"a"), (STATES, b"b")]) == [
        b"2",
        None,
        b"1",
        b"2",
    ]
    await store.commit(puts((b"a", b"one")))
    await store.commit(Batch(deletes=[(STATES, b"b"), (STATES, b"never there")]))
    assert await store.get([(STATES, b"a"), (STATES, b"b")]) == [b"one", None]
    await store.close()


async def scenario_empty_value_is_not_absent(open_store: OpenStore) -> None:
    store = await open_store()
    await store.commit(puts((b"k", b""), (b"", b"empty key")))
    assert await store.get([(STATES, b"k"), (STATES, b"")]) == [b"", b"empty key"]
    assert await store.scan(STATES) == [(b"", b"empty key"), (b"k", b"")]
    await failure(store.commit(Batch(expects=[(STATES, b"k", None)])), Conflict)
    await failure(store.commit(Batch(expects=[(STATES, b"none", b"")])), Conflict)
    await store.commit(Batch(expects=[(STATES, b"k", b""), (STATES, b"none", None)]))
    await store.close()


async def scenario_empty_batch(open_store: OpenStore) -> None:
    store = await open_store()
    assert await store.commit(Batch()) == []
    assert await store.scan(STATES) == []
    await store.close()


async def scenario_order_within_a_batch(open_store: OpenStore) -> None:
    """Expects, deletes, puts, appends; of several puts of a key the last one stays."""
    store = await open_store()
    await store.commit(puts((b"k", b"old")))
    batch = Batch(expects=[(STATES, b"k", b"old")], deletes=[(STATES, b"k")])
    batch.put(STATES, b"k", b"first")
    batch.put(STATES, b"k", b"last")
    batch.put(LOG, (1).to_bytes(8, "big"), b"by hand")
    batch.append(LOG, b"appended")
    assert await store.commit(batch) == [1]
    assert await store.get([(STATES, b"k"), (LOG, (1).to_bytes(8, "big"))]) == [b"last", b"appended"]
    await store.close()


async def scenario_failed_expectation_changes_nothing(open_store: OpenStore) -> None:
    store = await open_store()
    await store.commit(puts((b"a", b"1"), (b"b", b"2")))
    batch = Batch(deletes=[(STATES, b"b")], puts=[(STATES, b"a", b"9"), (ENTRIES, b"new", b"x")])
    batch.append(LOG, b"entry")
    batch.expect(STATES, b"a", b"1")
    batch.expect(STATES, b"b", b"stale")
    batch.expect(ENTRIES, b"new", b"stale too")
    error = await failure(store.commit(batch), Conflict)
    assert (error.details["space"], error.details["key"]) == (STATES, b"b"), "the first failed expectation is named"
    assert await store.get([(STATES, b"a"), (STATES, b"b"), (ENTRIES, b"new")]) == [b"1", b"2", None]
    assert await store.scan(LOG) == []
    assert await store.commit(Batch(appends=[(LOG, b"entry")])) == [1], "a failed batch uses up no number"
    await store.close()


async def scenario_expectations_alone(open_store: OpenStore) -> None:
    store = await open_store()
    await store.commit(puts((b"a", b"1")))
    assert await store.commit(Batch(expects=[(STATES, b"a", b"1")])) == []
    error = await failure(store.commit(Batch(expects=[(STATES, b"a", b"1\0")])), Conflict)
    assert error.details["key"] == b"a"
    await store.close()


async def scenario_counts_hold_a_range_still(open_store: OpenStore) -> None:
    store = await open_store()
    await store.commit(puts((b"a1", b""), (b"a2", b""), (b"b", b"")))
    for start, end, count in [(b"a", b"b", 2), (b"a", None, 3), (b"a2", b"b", 1), (b"c", None, 0), (b"", b"a1", 0)]:
        await store.commit(Batch(counts=[(STATES, start, end, count)], puts=[(ENTRIES, b"x", b"1")]))
        for wrong in {count + 1, max(count - 1, 0)} - {count}:
            batch = Batch(counts=[(STATES, start, end, wrong)], puts=[(ENTRIES, b"x", b"2")])
            error = await failure(store.commit(batch), Conflict)
            assert (error.details["space"], error.details["key"]) == (STATES, start)
    assert await store.get([(ENTRIES, b"x")]) == [b"1"]
    removal = Batch(counts=[(STATES, b"a", b"b", 2)], deletes=[(STATES, b"a1"), (STATES, b"a2")])
    taken = await asyncio.gather(
        store.commit(puts((b"a3", b""))), store.commit(removal), return_exceptions=True
    )  # the count sees what was committed just before, in the same group too
    left = [key for key, _ in await store.scan(STATES, b"a", b"b")]
    assert left == ([b"a1", b"a2", b"a3"] if isinstance(taken[1], Conflict) else [b"a3"])
    await failure(store.commit(Batch(counts=[(STATES, b"b", b"a", 0)])), Invalid)
    await store.close()


async def scenario_binary_keys(open_store: OpenStore) -> None:
    """Keys are ordered as unsigned bytes, a prefix before what it begins."""
    store = await open_store()
    keys = [
        b"\0",
        b"\0\0",
        b"\0\xff",
        b"\x01",
        b"a",
        b"a\0",
        b"a\0b",
        b"a\x7f",
        b"a\x80",
        b"a\xff",
        b"b",
        b"\xff",
        b"\xff\xff",
    ]
    await store.commit(puts(*[(key, key * 2) for key in reversed(keys)]))
    assert await store.scan(STATES) == [(key, key * 2) for key in keys]
    assert await store.get([(STATES, key) for key in keys]) == [key * 2 for key in keys]
    found = [key for key, _ in await store.scan(STATES, b"a", prefix_end(b"a"))]
    assert found == [key for key in keys if key.startswith(b"a")]
    assert [key for key, _ in await store.scan(STATES, b"\xff", prefix_end(b"\xff"))] == [b"\xff", b"\xff\xff"]
    await store.close()


async def scenario_scan_ranges(open_store: OpenStore) -> None:
    store = await open_store()
    keys = [b"a", b"c", b"e", b"g"]
    await store.commit(puts(*[(key, key.upper()) for key in keys]))
    bounds = [b"", b"a", b"b", b"c", b"e\0", b"g", b"h"]
    limits = cycle((1, 1000, 2, 4, 3))  # so many that each bound comes with each of them
    for start in bounds:
        for end in [*bounds, None]:
            wanted = [(key, key.upper()) for key in keys if key >= start and (end is None or key < end)]
            limit = next(limits)
            assert await store.scan(STATES, start, end, limit=limit) == wanted[:limit]
            assert await store.scan(STATES, start, end, limit=limit, reverse=True) == wanted[::-1][:limit]
    assert await store.scan(STATES, limit=0) == []
    await store.close()


async def scenario_pages_over_many_keys(open_store: OpenStore) -> None:
    store = await open_store()
    rows = [(f"key{number:05}".encode(), b"%d" % number) for number in range(1020)]
    most = store.capabilities.largest_batch
    for first in range(0, len(rows), most):
        await store.commit(puts(*rows[first : first + most]))
    await store.commit(puts((b"key00000", b"elsewhere"), space=ENTRIES))
    assert len(await store.scan(STATES)) == 1000, "a page has 1,000 rows unless told"
    for limit in (1000, 510, 5000):
        assert await scan_all(store, STATES, limit) == rows
        assert await scan_all(store, STATES, limit, reverse=True) == rows[::-1]
    some: list[Key] = [(STATES, key) for key, _ in rows[::7]]
    assert await store.get(some) == [value for _, value in rows[::7]]
    await store.close()


async def scenario_scan_is_of_one_moment(open_store: OpenStore) -> None:
    """While every commit rewrites all rows at once, no page and no batch of values mixes two of them."""
    store = await open_store()
    keys = [b"%03d" % number for number in range(min(100, store.capabilities.largest_batch))]

    async def rewrite() -> None:
        for generation in range(25):
            await store.commit(puts(*[(key, b"%d" % generation) for key in keys]))

    await store.commit(puts(*[(key, b"0") for key in keys]))
    writer = asyncio.ensure_future(rewrite())
    while not writer.done():
        page = await store.scan(STATES)
        assert len(page) == len(keys) and len({value for _, value in page}) == 1
        values = await store.get([(STATES, key) for key in keys])
        assert len(set(values)) == 1
        await asyncio.sleep(0)
    await writer
    await store.close()


def joined(rows: dict[Key, bytes], space: str, ranges: list[JoinRange], reverse: bool) -> list[JoinedRow]:
    """What a joined scan must give, from all rows in memory."""
    found: list[JoinedRow] = []
    for place, (start, end, lookup) in enumerate(ranges):
        inside = sorted(key for held, key in rows if held == space and start <= key < end)
        for key in inside[::-1] if reverse else inside:
            value = rows[space, key]
            parts = {"key": key, "value": value}
            led = b"".join(parts[of][first:end] for of, first, end in lookup.parts)
            found.append((place, key, value, rows.get((lookup.space, led))))
    return found


async def scenario_joined_scans(open_store: OpenStore) -> None:
    """As the engine offers them and by scan and get: the same rows, whatever the ranges, and page by page."""
    store, source = await open_store(), Random(14)

    def some(most: int) -> bytes:
        return bytes(source.choice((0, 0, 1, 39, 128, 195, 255)) for _ in range(source.randrange(most + 1)))

    def part() -> KeyPart:
        first = source.randrange(-3, 3)
        return source.choice(("key", "value")), first, None if first < 0 else source.choice((None, first, first + 2))

    rows: dict[Key, bytes] = {}
    for _ in range(3):
        batch = Batch(puts=[(source.choice((STATES, ENTRIES)), some(4), some(5)) for _ in range(90)])
        await store.commit(batch)
        rows |= {(space, key): value for space, key, value in batch.puts}
    led = 0
    for _ in range(60 if hasattr(store, "scan_joined") else 12):
        lookups = [Lookup(source.choice((STATES, ENTRIES)), tuple(part() for _ in range(source.randrange(1, 4))))]
        lookups += [Lookup(ENTRIES, (("key", 0, None),))]
        ends = [*(some(2) for _ in range(source.randrange(1, 6))), b"\xff\xff"]
        ranges = [JoinRange(low, high, source.choice(lookups)) for low, high in pairwise(ends)]
        reverse, limit = source.random() < 0.5, source.choice((0, 1, 3, 17, 1000))
        wanted = joined(rows, STATES, ranges, reverse)
        for way in (scan_joined, join_rows):
            assert await way(store, STATES, ranges, limit, reverse) == wanted[:limit]
        led += sum(row[3] is not None for row in wanted[:limit])
    assert led > 20, "some rows lead somewhere"
    assert await scan_joined(store, STATES, [], 10) == []
    await store.close()


async def scenario_no_lost_update(open_store: OpenStore) -> None:
    """64 at once add one to a counter, each trying again on Conflict."""
    store = await open_store()
    await store.commit(puts((b"counter", b"0")))

    async def increment() -> None:
        while True:
            [value] = await store.get([(STATES, b"counter")])
            assert value is not None
            batch = puts((b"counter", b"%d" % (int(value) + 1)))
            batch.expect(STATES, b"counter", value)
            try:
                await store.commit(batch)
                return
            except Conflict:
                continue

    await asyncio.gather(*[increment() for _ in range(64)])
    assert await store.get([(STATES, b"counter")]) == [b"64"]
    await store.close()


async def scenario_one_wins_among_creators(open_store: OpenStore) -> None:
    store = await open_store()

    def claim(number: int) -> Batch:
        return Batch(puts=[(ENTRIES, b"name", b"%d" % number)], expects=[(ENTRIES, b"name", None)])

    results = await asyncio.gather(*[store.commit(claim(number)) for number in range(64)], return_exceptions=True)
    winners = [number for number, result in enumerate(results) if result == []]
    assert len(winners) == 1
    assert all(isinstance(result, Conflict) for result in results if result != [])
    assert await store.get([(ENTRIES, b"name")]) == [b"%d" % winners[0]]
    await store.close()


async def scenario_acknowledged_is_visible(open_store: OpenStore) -> None:
    store = await open_store()

    async def write_and_read(number: int) -> None:
        key = b"%d" % number
        await store.commit(puts((key, b"x")))
        assert await store.get([(STATES, key)]) == [b"x"]
        assert await store.scan(STATES, key, key + b"\0") == [(key, b"x")]

    await asyncio.gather(*[write_and_read(number) for number in range(64)])
    await store.close()


async def scenario_appends_without_gaps(open_store: OpenStore) -> None:
    """Numbers follow each other whoever appends, and failed commits leave no gap."""
    store = await open_store()

    async def append(number: int) -> list[int]:
        batch = Batch(appends=[(LOG, b"%d.%d" % (number, part)) for part in range(1 + number % 3)])
        if number % 5 == 0:
            batch.expect(STATES, b"absent", b"never")
            await failure(store.commit(batch), Conflict)
            return []
        return await store.commit(batch)

    given = await asyncio.gather(*[append(number) for number in range(64)])
    numbers = sorted(number for some in given for number in some)
    assert numbers == list(range(1, len(numbers) + 1))
    held = {int.from_bytes(key, "big"): value for key, value in await store.scan(LOG)}
    assert list(held) == numbers
    for writer, some in enumerate(given):
        assert [held[number] for number in some] == [b"%d.%d" % (writer, part) for part in range(len(some))]
    await store.close()


async def scenario_a_space_to_which_nothing_is_appended(open_store: OpenStore) -> None:
    """That the next number of a space is absent holds as long as nobody appends: of those who say so one wins."""
    store = await open_store()
    await store.commit(Batch(appends=[(LOG, b"first")]))
    next = (2).to_bytes(8, "big")
    for _ in range(2):
        await store.commit(Batch(puts=[(STATES, b"quiet", b"")], expects=[(LOG, next, None)]))

    async def append(writer: int) -> None:
        await store.commit(Batch(appends=[(LOG, b"%d" % writer)], expects=[(LOG, next, None)]))

    ends = await asyncio.gather(*[append(writer) for writer in range(8)], return_exceptions=True)
    assert sorted(type(end).__name__ for end in ends) == ["Conflict"] * 7 + ["NoneType"]
    error = await failure(store.commit(Batch(puts=[(STATES, b"late", b"")], expects=[(LOG, next, None)])), Conflict)
    assert (error.details["space"], error.details["key"]) == (LOG, next)
    assert await store.get([(STATES, b"late")]) == [None]
    await store.close()


async def scenario_numbers_are_never_given_twice(open_store: OpenStore) -> None:
    """Each space counts on its own, and goes on after its rows were deleted."""
    store = await open_store()
    assert await store.commit(Batch(appends=[(LOG, b"a"), (ENTRIES, b"b"), (LOG, b"c")])) == [1, 1, 2]
    assert await store.scan(LOG) == [((1).to_bytes(8, "big"), b"a"), ((2).to_bytes(8, "big"), b"c")]
    await store.commit(Batch(deletes=[(LOG, key) for key, _ in await store.scan(LOG)]))
    assert await store.commit(Batch(appends=[(LOG, b"d")])) == [3]
    if store.capabilities.reopens:
        await store.close()
        store = await open_store()
        assert await store.commit(Batch(appends=[(LOG, b"e")])) == [4]
    await store.close()


async def scenario_spaces_are_separate(open_store: OpenStore) -> None:
    store = await open_store()
    await store.commit(Batch(puts=[(space, b"k", space.encode()) for space in SPACES]))
    assert await store.get([(space, b"k") for space in SPACES]) == [space.encode() for space in SPACES]
    await store.commit(Batch(deletes=[(STATES, b"k")]))
    for space in SPACES:
        assert await store.scan(space) == ([] if space == STATES else [(b"k", space.encode())])
    await store.close()


async def scenario_malformed_is_refused(open_store: OpenStore) -> None:
    """Unknown spaces and wrong types are Invalid, name the thing, and change nothing."""
    store = await open_store()
    error = await failure(store.get([("secrets", b"k")]), Invalid)
    assert "secrets" in str(error) and "states" in str(error)
    await failure(store.scan("secrets"), Invalid)
    good = (STATES, b"k", b"v")
    text: Any = "text"
    number: Any = 7
    nothing: Any = None
    wrong: list[Batch] = [
        Batch(puts=[good, ("secrets", b"k", b"v")]),
        Batch(puts=[good, (STATES, text, b"v")]),
        Batch(puts=[good, (STATES, b"k", text)]),
        Batch(puts=[good, (STATES, b"k", nothing)]),
        Batch(puts=[good], deletes=[("secrets", b"k")]),
        Batch(puts=[good], deletes=[(STATES, number)]),
        Batch(puts=[good], expects=[("secrets", b"k", None)]),
        Batch(puts=[good], expects=[(STATES, b"none", number)]),
        Batch(puts=[good], appends=[("secrets", b"v")]),
        Batch(puts=[good], appends=[(LOG, text)]),
    ]
    for batch in wrong:
        await failure(store.commit(batch), Invalid)
    await failure(store.get([(STATES, text)]), Invalid)
    await failure(store.scan(STATES, text), Invalid)
    await failure(store.scan(STATES, b"", text), Invalid)
    await failure(store.scan(STATES, limit=-1), Invalid)
    lookup = Lookup(STATES, (("key", 0, None),))
    await failure(scan_joined(store, "secrets", [JoinRange(b"", b"x", lookup)], 1), Invalid)
    assert await store.scan(STATES) == []
    assert await store.scan(LOG) == []
    await store.close()


async def scenario_big_values(open_store: OpenStore) -> None:
    store = await open_store()
    big = bytes(range(256)) * 4096 * 5  # 5 MiB
    await store.commit(puts((b"big", big), (b"small", b"s")))
    assert await store.get([(STATES, b"small"), (STATES, b"big")]) == [b"s", big]
    assert await store.scan(STATES) == [(b"big", big), (b"small", b"s")]
    await store.commit(Batch(puts=[(STATES, b"big", big[1:])], expects=[(STATES, b"big", big)]))
    assert await store.get([(STATES, b"big")]) == [big[1:]]
    await store.close()


async def scenario_limits(open_store: OpenStore) -> None:
    store = await open_store()
    limits = store.capabilities
    too_big = bytes(limits.largest_value + 1)
    for batch in (puts((b"a", b"1"), (b"b", too_big)), Batch(puts=[(STATES, b"a", b"1")], appends=[(LOG, too_big)])):
        error = await failure(store.commit(batch), LimitExceeded)
        assert error.details["limit"] == "largest_value"
    too_many = Batch(deletes=[(STATES, b"k")] * limits.largest_batch, puts=[(STATES, b"a", b"1")])
    error = await failure(store.commit(too_many), LimitExceeded)
    assert error.details["limit"] == "largest_batch"
    assert await store.scan(STATES) == []
    await store.close()


async def scenario_cancelled_commits_are_whole(open_store: OpenStore) -> None:
    """A commit whose waiter is cancelled is there as a whole or not at all, and the others are all there."""
    store = await open_store()
    tasks = [
        asyncio.ensure_future(
            store.commit(Batch(puts=[(STATES, b"%02d%s" % (number, part), b"x") for part in (b"a", b"b")]))
        )
        for number in range(40)
    ]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(result == [] for result in results[1::2])
    await store.commit(puts((b"after", b"x")))
    held = {key for key, _ in await store.scan(STATES)}
    for number in range(40):
        parts = {b"%02da" % number in held, b"%02db" % number in held}
        assert len(parts) == 1
        assert number % 2 == 0 or parts == {True}
    await store.close()


async def scenario_close_waits(open_store: OpenStore) -> None:
    """What was committed before the close is answered, and there when the store is opened again."""
    store = await open_store()
    tasks = [asyncio.ensure_future(store.commit(puts((b"%d" % number, b"x")))) for number in range(20)]
    await asyncio.sleep(0)
    await store.close()
    assert await asyncio.gather(*tasks) == [[]] * 20
    if store.capabilities.reopens:
        store = await open_store()
        assert len(await store.scan(STATES)) == 20
        await store.close()


async def scenario_closed(open_store: OpenStore) -> None:
    store = await open_store()
    await store.commit(puts((b"k", b"v")))
    await store.close()
    await store.close()
    for attempt in (
        store.get([(STATES, b"k")]),
        store.get([]),
        store.scan(STATES),
        store.commit(puts((b"k", b"new"))),
        store.commit(Batch()),
    ):
        await failure(attempt, Unavailable)


async def scenario_reopen(open_store: OpenStore) -> None:
    store = await open_store()
    if not store.capabilities.reopens:
        await store.close()
        return
    batch = puts((b"k", b"v"), (b"\0\xff", b""))
    batch.append(LOG, b"first")
    await store.commit(batch)
    for round_ in range(3):
        await store.close()
        store = await open_store()
        assert await store.scan(STATES) == [(b"\0\xff", b""), (b"k", b"v")]
        assert await store.commit(Batch(appends=[(LOG, b"more")])) == [round_ + 2]
    await store.close()


SCENARIOS: list[Scenario] = [
    scenario_put_get_delete,
    scenario_empty_value_is_not_absent,
    scenario_empty_batch,
    scenario_order_within_a_batch,
    scenario_failed_expectation_changes_nothing,
    scenario_expectations_alone,
    scenario_counts_hold_a_range_still,
    scenario_binary_keys,
    scenario_scan_ranges,
    scenario_pages_over_many_keys,
    scenario_scan_is_of_one_moment,
    scenario_joined_scans,
    scenario_no_lost_update,
    scenario_one_wins_among_creators,
    scenario_acknowledged_is_visible,
    scenario_appends_without_gaps,
    scenario_a_space_to_which_nothing_is_appended,
    scenario_numbers_are_never_given_twice,
    scenario_spaces_are_separate,
    scenario_malformed_is_refused,
    scenario_big_values,
    scenario_limits,
    scenario_cancelled_commits_are_whole,
    scenario_close_waits,
    scenario_closed,
    scenario_reopen,
]
