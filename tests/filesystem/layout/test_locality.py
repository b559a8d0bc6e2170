"""Reading what lies together in one go gives what reading it key by key gives."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from emerge_wasm.filesystem.layout.locality import FEW, fresh_uuid, get_entries, get_versions
from emerge_wasm.store import Batch, Key, keys_of
from emerge_wasm.stores import open_store


class Counting:
    """A store that notes how many keys were asked for one by one."""

    def __init__(self, store: Any) -> None:
        self.store = store
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    async def get(self, keys: Sequence[Key]) -> list[bytes | None]:
        self.asked += len(keys)
        found: list[bytes | None] = await self.store.get(keys)
        return found


async def filled(space: str, keys: Sequence[bytes]) -> Any:
    store = await open_store("memory:")
    batch = Batch()
    for key in keys:
        batch.put(space, key, b"value of " + key)
    await store.commit(batch)
    return Counting(store)


@pytest.mark.parametrize("seed", range(20))
async def test_it_gives_what_the_store_gives(seed: int) -> None:
    chance = random.Random(seed)
    parents = [bytes([number]) * 16 for number in range(3)]
    keys = [chance.choice(parents) + b"%03d" % number for number in range(400)]
    store = await filled("entries", chance.sample(keys, 300))
    wanted = chance.sample(keys, chance.choice([0, 1, FEW + 1, 100, 400]))
    assert await get_entries(store, wanted) == await store.store.get(keys_of("entries", wanted))


async def test_what_is_together_is_not_asked_for_by_key() -> None:
    keys = [fresh_uuid() + bytes(8) for _ in range(500)]
    store = await filled("versions", keys)
    assert await get_versions(store, keys) == [b"value of " + key for key in keys]
    assert store.asked <= FEW  # a minute may end among them


async def test_a_few_keys_among_many_rows_are_asked_for_by_key() -> None:
    keys = [bytes(16) + b"%05d" % number for number in range(10_000)]
    store = await filled("entries", keys)
    wanted = keys[::500]
    assert await get_entries(store, wanted) == [b"value of " + key for key in wanted]
    assert len(wanted) - 2 <= store.asked <= len(wanted)


def test_uuids_are_of_version_7() -> None:
    before = time.time_ns() // 1_000_000
    raws = [fresh_uuid() for _ in range(1000)]
    uuids = [UUID(bytes=raw) for raw in raws]
    assert len(set(raws)) == len(raws)
    assert {(uuid.version, uuid.variant) for uuid in uuids} == {(7, UUID(int=0x8 << 60).variant)}
    moments = [uuid.int >> 80 for uuid in uuids]
    assert moments == sorted(moments)
    assert before <= moments[0] <= moments[-1] <= time.time_ns() // 1_000_000
