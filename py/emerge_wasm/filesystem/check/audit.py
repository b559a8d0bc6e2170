"""Check the consistency of a filesystem's store: objects, directories, links, references, classes and log.

Reads everything, page by page, and changes nothing. Nothing else may write meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Set
from dataclasses import dataclass, field

from ...bundles import parse
from ...errors import EmergeError, Invalid
from ...store import Store, keys_of, prefix_end
from ..blocks.large_state import with_blocks
from ..indexes.maintain import REFERENCE
from ..layout.ancestry import GONE
from ..layout.arrival import TAKEN, read_arrivals
from ..layout.locality import PAGE_VERSIONS
from ..layout.place import ROOT_KEY
from ..layout.record import BROUGHT, ROOT, VERSION_KEY_SIZE, KeyValue, VersionRecord, is_directory, micros_of
from .blocks import block_faults
from .history import History, check_history, histories
from .index import index_faults

FAULTS_LIMIT = 1000
AT_ONCE = 32
_COUNTED = ("objects", "directories", "removed", "versions", "references", "links", "bundles", "blocks", "commits")


@dataclass(slots=True)
class Report:
    """The result of an audit: counts of everything stored, and faults, a line each (1,000 at most).

    `indexed`: how many references of states are in the index.
    """

    counts: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    indexed: int = 0

    def fault(self, text: str) -> None:
        if len(self.faults) < FAULTS_LIMIT:
            self.faults.append(text)

    def count(self, what: str, number: int = 1) -> None:
        self.counts[what] = self.counts.get(what, 0) + number


async def audit(store: Store) -> Report:
    """Check a whole store."""
    report = Report()
    store = with_blocks(store)
    format, uuid = await store.get([("meta", b"format"), ("meta", b"uuid")])
    if format != b"2" or uuid is None:
        report.fault("this is not the store of a filesystem of format 2")
    for what in _COUNTED:
        report.counts[what] = 0
    arriving = {each.uuid for each in await read_arrivals(store) if each.state != TAKEN}
    bundles = await _check_histories(store, report, arriving)
    await _check_entries(store, report, arriving)
    await _check_links(store, report)
    await _check_index(store, report)
    try:
        async for text in index_faults(store):
            report.fault(text)
    except EmergeError as error:  # a state cannot be read
        report.fault(f"the indexes cannot be checked: {error.message}")
    await _check_states(store.base, report)
    async for text in block_faults(store.base, store.blocks):
        report.fault(text)
    report.counts["blocks"] = await store.blocks.count()
    await _check_bundles(store, report, bundles)
    await _check_log(store, report)
    return report


async def rows_of(
    store: Store, space: str, start: bytes = b"", end: bytes | None = None, page: int = PAGE_VERSIONS
) -> AsyncIterator[list[KeyValue]]:
    """Yield all rows of a range, in pages."""
    while True:
        rows = await store.scan(space, start, end, limit=page)
        if rows:
            yield rows
        if len(rows) < page:
            return
        start = rows[-1][0] + b"\0"


# --- objects
async def _check_histories(store: Store, report: Report, arriving: Set[bytes]) -> dict[str, str]:
    """Check every object; return the bundles of their classes, each with one object that needs it."""
    bundles: dict[str, str] = {}
    some: list[History] = []
    async for history in histories(store):
        history.arriving = history.uuid in arriving
        some.append(history)
        if len(some) == AT_ONCE:
            await _take(store, report, some, bundles)
            some = []
    await _take(store, report, some, bundles)
    return bundles


async def _take(store: Store, report: Report, some: list[History], bundles: dict[str, str]) -> None:
    for history in await asyncio.gather(*(check_history(store, each) for each in some)):
        for text in history.faults:
            report.fault(text)
        entry = history.newest.entry
        kind = "directories" if entry.is_directory else "objects"
        report.count("arriving" if history.arriving else kind if history.living else "removed")
        report.count("versions", len(history.kept))
        report.count("references", len(history.references) if history.living else 0)
        report.indexed += history.indexed
        for kept in history.kept.values():
            if kept.entry.bundle:
                bundles.setdefault(kept.entry.bundle, f"{kept.record.directory.rstrip('/')}/{kept.entry.name}")


async def _newest(store: Store, uuid: bytes) -> VersionRecord | None:
    rows = await store.scan("versions", uuid, prefix_end(uuid), limit=1, reverse=True)
    return VersionRecord.unpack(rows[0][1]) if rows else None


# --- directories
async def _check_entries(store: Store, report: Report, arriving: Set[bytes]) -> None:
    """Check that every entry has an object, and that every directory can be reached from the root, or is arriving."""
    parents: dict[bytes, bytes] = {}  # of the directories
    used: dict[bytes, str] = {}  # directories that are not empty, each with one name in it
    entries = 0
    async for rows in rows_of(store, "entries"):
        for key, raw in rows:
            if key == ROOT_KEY:
                if (await _newest(store, ROOT)) is None:
                    report.fault("the entry of / has no versions")
                continue
            entries += 1
            used.setdefault(key[:16], key[16:].decode(errors="replace"))
            if is_directory(raw):
                parents[raw[:16]] = key[:16]
    if entries != report.counts["objects"] + report.counts["directories"] - await _root_is_counted(store):
        await _name_strays(store, report)
    for parent, name in used.items():
        if parent != ROOT and parent not in parents and parent not in arriving:
            report.fault(f"{name}: the directory {parent.hex()} that holds it is not there")
    _check_cycles(report, parents)


async def _root_is_counted(store: Store) -> int:
    return int(await _newest(store, ROOT) is not None)


async def _name_strays(store: Store, report: Report) -> None:
    async for rows in rows_of(store, "entries"):
        for key, raw in rows:
            record = await _newest(store, raw[:16])
            name = key[16:].decode(errors="replace")
            if key == ROOT_KEY:
                continue
            if record is None:
                report.fault(f"{name} in {key[:16].hex()}: it has no versions")
            elif (record.parent, record.entry.name) != (key[:16], name) and record.operation not in GONE:
                report.fault(f"{name} in {key[:16].hex()}: {raw[:16].hex()} is elsewhere, as its newest version says")


def _check_cycles(report: Report, parents: dict[bytes, bytes]) -> None:
    safe = {ROOT}
    for uuid in parents:
        way: list[bytes] = []
        while uuid not in safe and uuid in parents and uuid not in way:
            way.append(uuid)
            uuid = parents[uuid]
        if uuid in way:
            report.fault(f"the directory {uuid.hex()} is inside itself")
        safe.update(way)


# --- links, references, states, classes
async def _check_links(store: Store, report: Report) -> None:
    """Check that every link agrees with its version, unless that is no longer kept."""
    async for rows in rows_of(store, "links"):
        report.count("links", len(rows))
        raws = await store.get(keys_of("versions", (key[-VERSION_KEY_SIZE:] for key, _ in rows)))
        for (key, value), raw in zip(rows, raws, strict=True):
            name = key[16 : -VERSION_KEY_SIZE - 1].decode(errors="replace")
            uuid, version = key[-VERSION_KEY_SIZE:-8], int.from_bytes(key[-8:], "big")
            if raw is None:
                newest = await _newest(store, uuid)
                if newest is None or newest.entry.version < version:
                    report.fault(f"{name}: a link tells of version {version} of {uuid.hex()}, which never was")
                continue
            record = VersionRecord.unpack(raw)
            here = (record.parent, record.entry.name) == (key[:16], name)
            fits = here if value[:1] == b"+" else value[:1] == b"-" and here == (record.operation in GONE)
            if not fits or int.from_bytes(value[1:], "big") != micros_of(record.entry.date):
                report.fault(f"{name}: a link tells otherwise than version {version} of {uuid.hex()}")


async def _check_index(store: Store, report: Report) -> None:
    """Check that the index has no reference that no state has."""
    number = 0
    async for rows in rows_of(store, "indexes", REFERENCE, prefix_end(REFERENCE)):
        number += len(rows)
    if number == report.indexed:
        return
    current: dict[bytes, frozenset[bytes]] = {}
    async for history in histories(store):
        if history.living:
            checked = await check_history(store, history)
            if checked.references:
                current[history.uuid] = checked.references
    async for rows in rows_of(store, "indexes", REFERENCE, prefix_end(REFERENCE)):
        for key, _ in rows:
            target, source = key[len(REFERENCE) : -16], key[-16:]
            if target not in current.get(source, ()):
                report.fault(f"the index has a reference of {source.hex()} to {target.hex()}, its state has not")


async def _check_states(store: Store, report: Report) -> None:
    """Check that every large state has its version."""
    async for rows in rows_of(store, "states", page=8):
        raws = await store.get(keys_of("versions", (key for key, _ in rows)))
        for (key, _), raw in zip(rows, raws, strict=True):
            if raw is None:
                report.fault(f"the state {int.from_bytes(key[16:], 'big')} of {key[:16].hex()} has no version")


async def _check_bundles(store: Store, report: Report, needed: dict[str, str]) -> None:
    """Check that all classes, and those that they require, exist and match their hashes."""
    wanted, seen = list(needed), set(needed)
    while wanted:
        hash = wanted.pop()
        raw = (await store.get(keys_of("bundles", [hash.encode()])))[0]
        if raw is None:
            report.fault(f"{needed[hash]}: its class {hash} is missing")
            continue
        report.count("bundles")
        try:
            requires = parse(raw, hash).requires
        except Invalid as error:
            report.fault(f"{needed[hash]}: its class {hash} cannot be read: {error.message}")
            continue
        for other in requires:
            if other not in seen:
                seen.add(other)
                wanted.append(other)
                needed[other] = needed[hash]


# --- the log
async def _check_log(store: Store, report: Report) -> None:
    """Check that the log has no gap, names no version that never was, and names every kept one."""
    position = logged = 0
    async for rows in rows_of(store, "log"):
        for key, row in rows:
            position += 1
            if int.from_bytes(key, "big") != position:
                report.fault(f"the log has no entry {position}: {int.from_bytes(key, 'big')} comes next")
                position = int.from_bytes(key, "big")
            brought = row[:1] if len(row) % VERSION_KEY_SIZE == 1 else b""
            if not row or len(row) % VERSION_KEY_SIZE != len(brought) or brought not in (b"", BROUGHT):
                report.fault(f"the log's entry {position} cannot be read")
            else:
                logged += await _check_logged(store, report, position, row, bool(brought))
        report.count("commits", len(rows))
    if logged != report.counts["versions"]:
        await _name_unlogged(store, report)


async def _check_logged(store: Store, report: Report, position: int, row: bytes, brought: bool) -> int:
    """Count the versions named by an entry of the log that are kept; report those missing, unless they were brought."""
    there = 0
    keys = _cut(row)
    for begin in range(0, len(keys), PAGE_VERSIONS):
        some = keys[begin : begin + PAGE_VERSIONS]
        for key, raw in zip(some, await store.get(keys_of("versions", some)), strict=True):
            if raw is not None:
                there += 1
                continue
            if brought:  # and taken back, as not all came
                continue
            newest = await _newest(store, key[:16])
            version = int.from_bytes(key[16:], "big")
            if newest is None or newest.entry.version < version:
                report.fault(
                    f"the log's entry {position} names version {version} of {key[:16].hex()}, which is missing"
                )
    return there


def _cut(row: bytes) -> list[bytes]:
    return [row[cut : cut + VERSION_KEY_SIZE] for cut in range(len(row) % VERSION_KEY_SIZE, len(row), VERSION_KEY_SIZE)]


async def _name_unlogged(store: Store, report: Report, part: int = 100_000) -> None:
    """Report versions that are not in the log exactly once, comparing `part` at a time with the whole log."""
    start: bytes | None = b""
    while start is not None:
        times: dict[bytes, int] = {}
        brought: set[bytes] = set()
        async for rows in rows_of(store, "versions", start):
            times.update((key, 0) for key, _ in rows)
            if len(times) >= part:
                break
        async for rows in rows_of(store, "log"):
            for _, row in rows:
                if len(row) % VERSION_KEY_SIZE:  # perhaps not for the first time, and what came may have left again
                    brought.update(key for key in _cut(row) if key in times)
                else:
                    for key in (key for key in _cut(row) if key in times):
                        times[key] += 1
        for key, number in times.items():
            if number != 1 and not (key in brought and number == 0):
                said = "is not in the log" if not number else f"is {number} times in the log"
                report.fault(f"version {int.from_bytes(key[16:], 'big')} of {key[:16].hex()} {said}")
        start = max(times) + b"\0" if len(times) >= part else None
