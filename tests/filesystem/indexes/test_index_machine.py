"""Whatever is done in whatever order: after every step the rows of all indexes are those that the objects have."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from emerge_wasm import EmergeError
from emerge_wasm.codec import encode
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.check.audit import audit
from emerge_wasm.filesystem.indexes.index_row import fast_row, read_state, rows_of
from emerge_wasm.filesystem.layout.catalogue import Definition
from emerge_wasm.filesystem.layout.record import Entry
from emerge_wasm.query.shape import Shape
from emerge_wasm.store import Batch, keys_of
from emerge_wasm.stores import open_store
from tests.scale import examples

from .indexed import CONTEXT, Hands, check

T = TypeVar("T")

NAMES = ["a", "b", "c"]
PATHS = [*(f"/{n}" for n in NAMES), *(f"/{d}/{n}" for d in NAMES for n in NAMES), "/a/b/c", "/b/c/a", "/c/c/c"]
FIELDS = [["x"], ["y"], ["x", "y"], ["name"], ["deep.inner"], ["owner", "size"], ["version"], ["date"], ["perms", "x"]]

paths = st.sampled_from(PATHS)
places = st.sampled_from(["/", *PATHS])
values = st.one_of(
    st.integers(-2, 2),
    st.sampled_from([1.0, 1.5, float("nan"), Decimal(1), None, True, "", "red", "red\0blue", b"x", [1], {"inner": 1}]),
)
texts = st.sampled_from(["Red apple", "red RED wine", "", "Äpfel, apple", ["red", "green red"], 7])
states = st.fixed_dictionaries(
    {},
    optional={"x": values, "y": values, "text": texts, "deep": st.fixed_dictionaries({"inner": values})},
)


class Indexed(RuleBasedStateMachine):
    """Steps that fail for what is (not) there are as good as any: they must leave nothing behind."""

    kind = "memory"

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.loop.set_debug(False)
        self.unnamed: set[bytes] = set()
        self.folder = TemporaryDirectory()
        self.url = "memory:" if self.kind == "memory" else f"sqlite:///{self.folder.name}/store.db"
        self.filesystem = self.wait(self.open())
        self.hands = Hands(self.filesystem)
        self.inside = ""

    async def open(self) -> Filesystem:
        filesystem = await Filesystem.open(await open_store(self.url))
        core = filesystem.core
        commit = core.store.commit

        async def checked(batch: Batch) -> list[int]:
            await self.check_log(filesystem, batch)
            return await commit(batch)

        core.store.commit = checked  # type: ignore[method-assign]
        return filesystem

    async def check_log(self, filesystem: Filesystem, batch: Batch) -> None:
        """Whoever changes an entry names the object in the log, in the same commit: an index build relies on it."""
        keys = [key for space, key in batch.deletes if space == "entries"]
        held = await filesystem.core.store.get(keys_of("entries", keys)) if keys else []
        changed = {raw[:16] for raw in held if raw is not None}
        changed |= {raw[:16] for space, _, raw in batch.puts if space == "entries"}
        logged = [(value, len(value) % 24) for space, value in batch.appends if space == "log"]
        named = {value[at : at + 16] for value, first in logged for at in range(first, len(value), 24)}
        self.unnamed |= changed - named

    def wait(self, made: Awaitable[T]) -> T:
        return self.loop.run_until_complete(made)

    def do(self, name: str, *args: Any) -> Any:
        context = replace(CONTEXT, transaction=self.inside) if self.inside else CONTEXT
        with suppress(EmergeError):
            return self.wait(Hands(self.filesystem, context)(name, *args))

    @initialize()
    def something(self) -> None:
        self.do("index", "/", ["x"])
        for path in ("/a/a", "/a/b", "/b/c"):
            self.do("store", path, encode({"x": len(path), "text": "red apple"}))

    # --- objects
    @rule(path=paths, state=states)
    def store(self, path: str, state: dict[str, Any]) -> None:
        self.do("store", path, encode(state))

    @rule(some=st.lists(st.tuples(paths, states), min_size=1, max_size=4))
    def store_all(self, some: list[tuple[str, dict[str, Any]]]) -> None:
        self.do("storeall", [[path, encode(state)] for path, state in some])

    @rule(path=paths, state=states)
    def update(self, path: str, state: dict[str, Any]) -> None:
        self.do("update", path, encode(state))

    @rule(path=paths, version=st.integers(1, 3), state=states)
    def merge(self, path: str, version: int, state: dict[str, Any]) -> None:
        self.do("update", path, encode(state), version)

    @rule(source=paths, where=places)
    def mv(self, source: str, where: str) -> None:
        self.do("mv", source, where)

    @rule(source=paths, where=places)
    def cp(self, source: str, where: str) -> None:
        self.do("cp", source, where, True)

    @rule(path=paths)
    def rm(self, path: str) -> None:
        self.do("rm", path, True)

    @rule(path=paths, version=st.integers(0, 2))
    def restore(self, path: str, version: int) -> None:
        self.do("restore", path, version)

    @rule(path=places)
    def chmod(self, path: str) -> None:
        self.do("chmod", path, "rwxrwxrwx", True)

    @rule(path=paths, owner=st.sampled_from(["ann", "bob"]))
    def chown(self, path: str, owner: str) -> None:
        self.do("chown", path, owner)

    @rule(first=paths, second=paths, where=places)
    def mixin(self, first: str, second: str, where: str) -> None:
        self.do("mixin", first, second, "Mixed", "m", where)

    @rule(path=paths)
    def mkdir(self, path: str) -> None:
        self.do("mkdir", path)

    @rule(source=places, where=places)
    def archive(self, source: str, where: str) -> None:
        async def records() -> list[Any]:
            stream: Any = self.filesystem.dispatch("export", [source, True], CONTEXT)
            return [record async for record in stream]

        with suppress(EmergeError):
            found = self.wait(records())
            self.do("rm", source, True)
            self.do("load", where, found)

    # --- transactions
    @rule()
    def begin(self) -> None:
        if not self.inside:
            self.inside = self.wait(self.hands("begin", "", 60))["transaction"]

    @rule(keep=st.booleans())
    def end(self, keep: bool) -> None:
        name, self.inside = self.inside, ""
        if name:
            self.do("commit" if keep else "rollback", name)

    # --- indexes
    @rule(path=places, fields=st.sampled_from(FIELDS))
    def index(self, path: str, fields: list[str]) -> None:
        self.do("index", path, fields)

    @rule(path=places, fields=st.sampled_from([["x"], ["x", "y"]]))
    def index_unique(self, path: str, fields: list[str]) -> None:
        self.do("index", path, fields, True)

    @rule(path=places, field=st.sampled_from(["text", "x"]))
    def index_text(self, path: str, field: str) -> None:
        self.do("index", path, [field], False, True)

    @rule(path=places, fields=st.sampled_from([*FIELDS, ["text"]]), text=st.booleans())
    def drop(self, path: str, fields: list[str], text: bool) -> None:
        self.do("index", path, fields, False, text, True)

    @rule()
    def open_again(self) -> None:
        if self.kind != "memory" and not self.inside:
            self.wait(self.filesystem.close())
            self.filesystem = self.wait(self.open())
            self.hands = Hands(self.filesystem)

    @invariant()
    def agrees(self) -> None:
        self.wait(self.hands.settle())
        self.wait(check(self.filesystem))
        assert self.unnamed == set()

    def teardown(self) -> None:
        assert self.wait(audit(self.filesystem.core.store)).faults == []
        self.wait(self.filesystem.close())
        self.loop.close()
        self.folder.cleanup()


@settings(max_examples=examples(60), deadline=None)
@given(
    st.sampled_from(FIELDS).map(tuple),
    states,
    st.booleans(),
    st.sampled_from([Shape("Plain"), Shape("Odd", computed=frozenset(["x"])), Shape("Dark", opaque="it is")]),
)
def test_the_row_that_a_build_makes_is_that_of_a_store(
    fields: tuple[str, ...], state: dict[str, Any], unique: bool, shape: Shape
) -> None:
    definition = Definition(7, bytes(16), fields, unique)
    parent, uuid = b"p" * 16, b"u" * 16
    entry = Entry(uuid, "näme", "Item", "Item", "", "rwx------", "ann", "", 9, 3, "r", "2026-12-01T00:00:00+00:00", 2)
    read = read_state(encode(state))
    made = fast_row(definition)(parent, uuid, "näme", 3, read, shape)
    rows = rows_of(definition, parent, entry, read, shape, 100)
    assert made is None or dict([made]) == rows
    seen = not unique and shape.name == "Plain" and state.keys() >= set(fields)
    assert made is not None or not seen, "what is plain to see goes the quick way"


class IndexedInSQLite(Indexed):
    kind = "sqlite"


CHECKS = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]

TestIndexed = Indexed.TestCase
TestIndexed.settings = settings(
    max_examples=examples(15), stateful_step_count=30, deadline=None, suppress_health_check=CHECKS
)
TestIndexedInSQLite = IndexedInSQLite.TestCase
TestIndexedInSQLite.settings = settings(
    max_examples=examples(3), stateful_step_count=25, deadline=None, suppress_health_check=CHECKS
)
