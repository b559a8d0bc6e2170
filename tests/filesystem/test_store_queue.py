"""Stores at the same moment leave what they leave one after the other: the same rows, log and answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emerge_wasm.codec import Reference, encode
from emerge_wasm.context import Context, Wire
from emerge_wasm.errors import EmergeError, LimitExceeded, Unavailable
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.check.audit import audit
from emerge_wasm.filesystem.core import Core
from emerge_wasm.filesystem.filesystem import HANDLERS
from emerge_wasm.filesystem.layout.record import BROUGHT, VERSION_KEY_SIZE, VersionRecord, micros_of
from emerge_wasm.filesystem.objects import write
from emerge_wasm.objects import BLOB
from emerge_wasm.operations import find_operation
from emerge_wasm.results import EntryPage, PointerRow
from emerge_wasm.store import Batch
from emerge_wasm.stores.memory import MemoryStore
from tests.scale import examples

ROOT = Context("root", superuser=True)
ANNA = Context("anna", groups=("team",), cause="a cell")
WHO = (ROOT, ROOT, ANNA, replace(ANNA, umask=0o077), Context("bob", groups=("team",)), Context())

DIRECTORIES = ("/plain", "/plain/inner", "/anna", "/kept", "/unique", "/listed", "/new", "/new/one", "/plain/a", "")
PATHS = [f"{directory}/{name}" for directory in DIRECTORIES for name in "abc"]
WRONG = ["plain/a", "/plain/../a", "/", "/registry/a", "/plain/inner", f"/plain/{'x' * 300}"]


@dataclass(frozen=True)
class Asked:
    """One store; `known` is the path of the object whose uuid is sent along."""

    who: Context
    path: str
    state: bytes
    version: int
    known: str
    perms: str
    type: str
    bundle: str
    node: str

    def args(self, uuids: dict[str, str]) -> list[object]:
        sent = {self.bundle: b""} if self.bundle else None
        known = uuids.get(self.known, self.known)
        return [
            self.path,
            self.state,
            "Thing",
            self.bundle,
            self.version,
            self.type,
            self.perms,
            sent,
            known,
            self.node,
        ]


class Recorded(MemoryStore):
    """One that counts its commits, as if they were worth sharing, and keeps each version, whatever is pruned later."""

    def __init__(self) -> None:
        super().__init__()
        self.capabilities = replace(self.capabilities, durability="process")
        self.commits = 0
        self.versions: dict[bytes, bytes] = {}

    async def commit(self, batch: Batch) -> list[int]:
        numbers = await super().commit(batch)
        self.commits += 1
        self.versions.update((key, value) for space, key, value in batch.puts if space == "versions")
        return numbers


class Base:
    """A filesystem with a little of everything, to begin from."""

    def __init__(self) -> None:
        self.store, self.uuids = asyncio.run(self._make())

    @staticmethod
    async def _make() -> tuple[Recorded, dict[str, str]]:
        store = Recorded()
        filesystem = await Filesystem.open(store, node="here")

        async def do(name: str, *args: object, who: Context = ROOT) -> object:
            return await cast(Awaitable[object], filesystem.dispatch(name, args, who))

        for directory in ("/plain/inner", "/kept", "/unique", "/listed"):
            await do("mkdir", directory)
        for directory in ("/", "/plain", "/plain/inner", "/kept", "/unique", "/listed"):
            await do("chmod", directory, "rwxrwxrwx")
        await do("mkdir", "/anna", who=ANNA)
        await do("retain", "/kept", "2")
        await do("index", "/unique", ["k"], True)
        await do("index", "/listed", ["k"])
        uuids = {}
        for path in ("/plain/a", "/plain/b", "/plain/inner/a", "/kept/a", "/unique/a", "/listed/a", "/a"):
            for turn in range(3 if path != "/unique/a" else 1):
                state = encode({"k": turn, "mine": 0, "yours": turn})
                pointer = cast(PointerRow, await do("store", path, state, "Thing"))
            await do("chmod", path, "rw-rw-rw-" if path != "/plain/b" else "rw-r--r--")
            uuids[path] = pointer["uuid"]
        await filesystem.builder.settle()
        return store, uuids


BASE = Base()


ODD: dict[str, list[object]] = {
    "path": [*WRONG],
    "state": [b"\xc1", b"", encode([1]), encode({"to": Reference(BASE.uuids["/a"])})],
    "version": [1, 2, 3, 4, 9],
    "known": [*BASE.uuids, "zz"],
    "perms": ["rwxrwxrwx", "rw-rw-rw-", "750", "?"],
    "type": ["object", BLOB, "other"],
    "bundle": ["0" * 64],
    "node": ["afar", "x\n"],
}
"""What a store may have that others have not."""


@st.composite
def asked(draw: st.DrawFn) -> Asked:
    """Mostly what can be done, with something unusual now and then."""
    path = draw(st.sampled_from(PATHS))
    values = {"k": draw(st.integers(0, 3)), "mine": draw(st.integers(0, 1)), "yours": 2}
    made = Asked(draw(st.sampled_from(WHO)), path, encode(values), 0, "", "", "file", "", "here")
    if path in BASE.uuids and draw(st.booleans()):
        made = replace(made, version=2 if path == "/unique/a" else 4, known=path)  # as who has read it
    name = draw(st.sampled_from([*[""] * 8, *ODD]))
    return replace(made, **{name: draw(st.sampled_from(ODD[name]))}) if name else made  # type: ignore[arg-type]


async def ask(filesystem: Filesystem, each: Asked) -> object:
    """Store as a call does."""
    try:
        return await cast(Awaitable[object], filesystem.dispatch("store", each.args(BASE.uuids), each.who))
    except EmergeError as error:
        return error.to_wire()


async def alone(filesystem: Filesystem, each: Asked) -> object:
    """Store without the queue."""
    try:
        bound = find_operation("store").bind(each.args(BASE.uuids))
        return await HANDLERS["store"](filesystem.core, each.who, *bound)
    except EmergeError as error:
        return error.to_wire()


async def opened(store: Recorded) -> Filesystem:
    return await Filesystem.open(store, node="here", clock=lambda: "2099-01-01T00:00:00.000000+00:00")


def rows_of(store: Recorded) -> dict[tuple[str, bytes], bytes]:
    return {(name, key): value for name, space in store._spaces.items() for key, value in space.rows.items()}


def logged(store: Recorded) -> list[bytes]:
    """The keys of all versions, in the order of the log."""
    log = [value.removeprefix(BROUGHT) for (space, _), value in sorted(rows_of(store).items()) if space == "log"]
    size = VERSION_KEY_SIZE
    return [value[at : at + size] for value in log for at in range(0, len(value), size)]


class Names:
    """What is made anew in a store, such as uuids, by its place in the log."""

    def __init__(self, store: Recorded) -> None:
        self.known: dict[bytes, bytes] = {}
        dates = []
        for number, key in enumerate(logged(store)[len(logged(BASE.store)) :]):
            entry = VersionRecord.unpack(store.versions[key]).entry
            dates.append(entry.date)
            self._name("date", number, entry.date.encode())
            self._name("micros", number, micros_of(entry.date).to_bytes(8, "big"))
            self._name("revision", number, entry.revision.encode())
            if key[:16].hex() not in BASE.uuids.values():
                self._name("uuid", number, key[:16], key[:16].hex().encode())
        self.in_order = dates == sorted(dates)

    def _name(self, kind: str, number: int, *made: bytes) -> None:
        for each in made:
            self.known.setdefault(each, f"<{kind} {number}>".encode())

    def __call__(self, data: bytes) -> bytes:
        for made, name in self.known.items():
            data = data.replace(made, name)
        return data

    def of(self, value: object) -> bytes:
        return self(repr(value).encode())


def place_of(answer: object, store: Recorded) -> int:
    """Where in the log a store is that succeeded."""
    assert isinstance(answer, dict) and "uuid" in answer, answer
    return logged(store).index(bytes.fromhex(answer["uuid"]) + answer["version"].to_bytes(8, "big"))


def failed(answer: object) -> bool:
    return isinstance(answer, dict) and "code" in answer


@settings(max_examples=examples(15))
@given(st.lists(st.lists(asked(), min_size=5, max_size=20), min_size=1, max_size=3))
def test_at_once_is_as_one_after_the_other(waves: Sequence[Sequence[Asked]]) -> None:
    """Those that succeed, in the order of the log; and each that fails does so at some moment meanwhile."""

    async def check() -> None:
        at_once, slowly = deepcopy(BASE.store), deepcopy(BASE.store)
        one, other = await opened(at_once), await opened(slowly)
        for wave in waves:
            answers = await asyncio.gather(*(ask(one, each) for each in wave))
            pairs = list(zip(wave, answers, strict=True))
            made = sorted((pair for pair in pairs if not failed(pair[1])), key=lambda pair: place_of(pair[1], at_once))
            refused = [pair for pair in pairs if failed(pair[1])]
            for each, answer in [*made, (None, None)]:
                still = []
                for failing, error in refused:
                    copy = deepcopy(slowly)
                    found = await alone(await opened(copy), failing)
                    if not (failed(found) and Names(copy).of(found) == Names(at_once).of(error)):
                        still.append((failing, error))
                refused = still
                if each is not None:
                    found = await alone(other, each)
                    assert Names(slowly).of(found) == Names(at_once).of(answer)
            assert not refused
        for store in (at_once, slowly):
            assert (await audit(store)).faults == []
            assert Names(store).in_order
        named = [
            {(space, name(key)): name(value) for (space, key), value in rows_of(store).items()}
            for store, name in ((at_once, Names(at_once)), (slowly, Names(slowly)))
        ]
        assert named[0] == named[1]
        await one.close()
        await other.close()

    asyncio.run(check())


async def fresh() -> tuple[Recorded, Filesystem]:
    store = Recorded()
    filesystem = await opened(store)
    await cast(Awaitable[object], filesystem.dispatch("mkdir", ["/plain"], ROOT))
    store.commits = 0
    return store, filesystem


def thing(number: int) -> Asked:
    return Asked(ROOT, f"/plain/{number}", encode({"k": number}), 0, "", "", "file", "", "here")


async def test_many_at_once_are_one_commit_and_as_many_changes() -> None:
    store, filesystem = await fresh()
    before = len(logged(store))
    answers = await asyncio.gather(*(ask(filesystem, thing(number)) for number in range(50)))
    assert store.commits == 1
    keys = [bytes.fromhex(answer["uuid"]) + (1).to_bytes(8, "big") for answer in cast(list[PointerRow], answers)]
    assert logged(store)[before:] == keys
    assert len([key for space, key in rows_of(store) if space == "log"]) == before + 50
    assert not filesystem.core.writers


async def test_what_is_given_up_before_it_is_planned_is_not_stored() -> None:
    _, filesystem = await fresh()
    asked = [asyncio.ensure_future(ask(filesystem, thing(number))) for number in range(8)]
    await asyncio.sleep(0)  # they have asked
    for each in asked[::2]:
        each.cancel()
    await asyncio.gather(*asked, return_exceptions=True)
    listed = await cast(Awaitable[EntryPage], filesystem.dispatch("list", ["/plain"], ROOT))
    assert [entry["name"] for entry in listed["entries"]] == ["1", "3", "5", "7"]
    assert not filesystem.core.writers


@pytest.mark.parametrize("turns", range(4))
async def test_who_gives_up_at_any_turn_of_the_loop_leaves_the_path_to_others(turns: int) -> None:
    _, filesystem = await fresh()
    many = [replace(thing(0), type=kind) for kind in ("file", "other", "object", "file")]
    asked = [asyncio.ensure_future(ask(filesystem, each)) for each in many]
    for _ in range(turns):
        await asyncio.sleep(0)
    for each in asked[:3]:
        each.cancel()
    await asyncio.gather(*asked, return_exceptions=True)
    assert not failed(asked[3].result())
    await filesystem.stores.close()
    assert not filesystem.core.writers


@pytest.mark.parametrize("unknown", [True, False])
async def test_when_a_common_commit_fails_each_is_tried_by_itself_unless_it_may_be_made(unknown: bool) -> None:
    store, filesystem = await fresh()
    commit = store.commit

    async def fail(batch: Batch) -> list[int]:
        if len(batch.appends) > 1:
            if unknown:
                await commit(batch)
                raise Unavailable("the store went away", unknown=True)
            raise LimitExceeded("the disk is full")
        return await commit(batch)

    store.commit = fail  # type: ignore[method-assign]
    answers = cast(list[Wire], await asyncio.gather(*(ask(filesystem, thing(number)) for number in range(9))))
    told = [answer.get("details", {}).get("unknown", False) for answer in answers]
    assert told == [unknown] * 9
    assert store.commits == (1 if unknown else 9)
    versions = [key for space, key in rows_of(store) if space == "versions"]
    assert len(versions) == 1 + 9  # of the directory, and one of each
    assert not filesystem.core.writers


async def test_stores_of_one_path_follow_each_other_in_the_order_in_which_they_came() -> None:
    _, filesystem = await fresh()
    many = [replace(thing(0), state=encode({"k": number})) for number in range(20)]
    some = [each for pair in zip(many, map(thing, range(1, 21)), strict=True) for each in pair]
    answers = cast(list[PointerRow], await asyncio.gather(*(ask(filesystem, each) for each in some)))
    assert [answer["version"] for answer in answers[::2]] == list(range(1, 21))


async def test_a_unique_value_that_one_leaves_is_not_there_for_who_came_before_it() -> None:
    filesystem = await opened(deepcopy(BASE.store))
    taker = replace(thing(0), path="/unique/b")
    answers = await asyncio.gather(
        ask(filesystem, taker), ask(filesystem, replace(taker, path="/unique/a", state=encode({"k": 3})))
    )
    assert list(map(failed, answers)) == [True, False]
    assert not failed(await ask(filesystem, taker))
    await filesystem.close()


@settings(max_examples=examples(25))
@given(st.sampled_from(WHO), st.lists(asked(), min_size=2, max_size=6, unique_by=lambda each: each.path), st.booleans())
def test_a_batch_is_as_if_each_was_written_by_itself(who: Context, many: Sequence[Asked], plain: bool) -> None:
    """`storeall`, where its objects only have to be written as they come, and where they ask for more. Of several that
    cannot be stored, it may name another one.
    """

    async def check() -> None:
        quickly, slowly = deepcopy(BASE.store), deepcopy(BASE.store)
        kept = [each for each in many if each.path in PATHS] if plain else many
        rows = [each.args(BASE.uuids)[:7] if plain else each.args(BASE.uuids) for each in kept]
        args = find_operation("storeall").bind([rows])
        answers, refused = [], set[str | None]()
        for store, storeall in ((quickly, HANDLERS["storeall"]), (slowly, by_itself)):
            filesystem = await opened(store)
            try:
                answers.append(await storeall(filesystem.core, who, *args))
            except EmergeError as error:
                answers.append(error.to_wire())
                refused.add(error.path)
            assert (await audit(store)).faults == []
            await filesystem.close()
        assert failed(answers[0]) == failed(answers[1])
        if len(refused) < 2:
            assert Names(quickly).of(answers[0]) == Names(slowly).of(answers[1])
        named = [
            {(space, name(key)): name(value) for (space, key), value in rows_of(store).items()}
            for store, name in ((quickly, Names(quickly)), (slowly, Names(slowly)))
        ]
        assert named[0] == named[1]

    asyncio.run(check())


async def by_itself(core: Core, context: Context, objects: list[list[object]], bundles: None) -> object:
    """`storeall` as if all of it asked for more."""
    return await write._store_each(core, context, [write._bound(row) for row in objects], bundles)


async def test_a_batch_of_new_objects_and_newer_versions_is_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    store, filesystem = await fresh()
    monkeypatch.setattr(write, "_store_each", None)  # it would be called for whatever asks for more
    for _ in range(2):
        rows = [thing(number).args({}) for number in range(50)]
        made = await HANDLERS["storeall"](filesystem.core, ROOT, rows, None)
    assert [row["version"] for row in cast(list[PointerRow], made)] == [2] * 50
    assert store.commits == 2
