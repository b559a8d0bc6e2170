"""Hypothesis looks for a sequence of operations after which a store and a dict differ."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from emerge_wasm.errors import Conflict
from emerge_wasm.store import Batch, Store
from emerge_wasm.stores import open_store
from tests.backends import BACKENDS, Started
from tests.contracts.store import scan_all
from tests.contracts.store_model import KEYS, USED, VALUES, Model
from tests.scale import examples

spaces = st.sampled_from(USED)
keys = st.sampled_from(KEYS) | st.binary(max_size=9)
values = st.sampled_from(VALUES) | st.binary(max_size=30)
places = st.tuples(spaces, keys)
batches = st.builds(
    Batch,
    puts=st.lists(st.tuples(spaces, keys, values), max_size=5),
    deletes=st.lists(places, max_size=3),
    appends=st.lists(st.tuples(spaces, values), max_size=3),
)


EXAMPLES = {"memory": 10, "sqlite": 5, "postgresql": 3, "zodb": 4}
FEW = 2  # on the others, where all takes longer


class StoreMachine(RuleBasedStateMachine):
    """One store beside the model."""

    new_url: Callable[[], str]

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.url = self.new_url()
        self.model = Model()

    @initialize()
    def open(self) -> None:
        self.store: Store = self.wait(open_store(self.url))

    def wait(self, awaitable: Any) -> Any:
        return self.loop.run_until_complete(awaitable)

    def commit(self, batch: Batch) -> None:
        wanted = self.model.commit(batch)
        try:
            assert self.wait(self.store.commit(batch)) == wanted
        except Conflict as error:
            assert (error.details["space"], error.details["key"]) == wanted

    @rule(batch=batches)
    def change(self, batch: Batch) -> None:
        self.commit(batch)

    @rule(batch=batches, seen=st.lists(places, max_size=3))
    def change_what_was_seen(self, batch: Batch, seen: list[tuple[str, bytes]]) -> None:
        batch.expects = [(*place, self.model.rows.get(place)) for place in seen]
        self.commit(batch)

    @rule(batch=batches, expects=st.lists(st.tuples(spaces, keys, st.none() | values), min_size=1, max_size=3))
    def change_on_condition(self, batch: Batch, expects: list[tuple[str, bytes, bytes | None]]) -> None:
        batch.expects = expects
        self.commit(batch)

    @rule(group=st.lists(batches, min_size=2, max_size=5))
    def change_at_once(self, group: list[Batch]) -> None:
        async def all_of_them() -> list[list[int]]:
            return await asyncio.gather(*[self.store.commit(batch) for batch in group])

        assert self.wait(all_of_them()) == [self.model.commit(batch) for batch in group]

    @rule(wanted=st.lists(places, max_size=12))
    def get(self, wanted: list[tuple[str, bytes]]) -> None:
        assert self.wait(self.store.get(wanted)) == [self.model.rows.get(place) for place in wanted]

    @rule(space=spaces, start=keys, end=st.none() | keys, limit=st.integers(0, 10), reverse=st.booleans())
    def scan(self, space: str, start: bytes, end: bytes | None, limit: int, reverse: bool) -> None:
        found = self.wait(self.store.scan(space, start, end, limit=limit, reverse=reverse))
        assert found == self.model.scan(space, start, end, limit, reverse)

    @rule(space=spaces, limit=st.integers(1, 5), reverse=st.booleans())
    def pages(self, space: str, limit: int, reverse: bool) -> None:
        found = self.wait(scan_all(self.store, space, limit, reverse))
        assert found == self.model.scan(space, b"", None, len(self.model.rows) + 1, reverse)

    @rule(turn=st.integers(0, 3))
    def reopen(self, turn: int) -> None:
        if not turn and self.store.capabilities.reopens:  # not at every turn: it takes longer than all else
            self.wait(self.store.close())
            self.open()

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.wait(self.store.close())
        self.loop.close()


@pytest.mark.parametrize("backend", BACKENDS)
def test_store_is_like_a_dict(backend: str, backends: Started) -> None:
    machine = type("Machine", (StoreMachine,), {"new_url": staticmethod(lambda: backends.url(backend))})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples(EXAMPLES.get(backend, FEW)),
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
