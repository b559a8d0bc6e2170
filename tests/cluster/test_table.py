"""The mount table answers as if all its volumes were looked at, and does not look at all of them."""

from __future__ import annotations

from random import Random
from time import perf_counter

import pytest

from emerge_wasm.cluster.volume import Member, MountTable, Volume, read_table
from emerge_wasm.errors import Invalid

NAMES = ("a", "b", "a b", "a.b", "a0", "a-", "é")


def inside(path: str, top: str) -> bool:
    return top == "/" or path == top or path.startswith(top + "/")


def random_table(random: Random, number: int) -> MountTable:
    table = MountTable.found("c" * 32, Member("f0", "a", "tcp://127.0.0.1:1"))
    for _ in range(number):
        path = "/" + "/".join(
            random.choice(("a", "b", "a b", "a.b", "a0", "a-", "é")) for _ in range(random.randint(1, 4))
        )
        table = table.mount(path, f"f{random.randrange(3)}")
    return table


@pytest.mark.parametrize("seed", range(20))
def test_the_longest_path_counts(seed: int) -> None:
    random = Random(seed)
    table = random_table(random, random.randrange(40))

    def above(volume: Volume) -> Volume | None:
        found = [each for each in table.volumes if each.path != volume.path and inside(volume.path, each.path)]
        return max(found, key=lambda each: len(each.path), default=None)

    paths = [volume.path for volume in random_table(random, 40).volumes] + ["/", "/a", "/x/y"]
    for path in paths:
        holding = max((each for each in table.volumes if inside(path, each.path)), key=lambda each: len(each.path))
        assert table.volume_of(path) == holding
        borders = [
            each for each in table.volumes if (up := above(each)) is not None and up.filesystem != each.filesystem
        ]
        below = sorted(
            (each for each in borders if inside(each.path, path) and each.path != path), key=lambda v: v.path
        )
        assert table.borders_below(path) == below
        assert read_table(table.to_wire()).borders_below(path) == below


def test_a_table_of_thousands_is_as_quick_as_one_of_ten() -> None:
    took = []
    for number in (10, 3000):
        volumes = [Volume(f"/p{each % 30}/v{each}", f"f{each % 7}", each) for each in range(number)]
        volumes = [*sorted(volumes, key=lambda each: -len(each.path)), Volume("/", "f0", 1)]
        table = MountTable("c" * 32, number, tuple(volumes), (Member("f0", "a", ""),))
        took.append(min(_asked(table) for _ in range(5)))
    assert took[1] < 20 * took[0]


def _asked(table: MountTable) -> float:
    began = perf_counter()
    for _ in range(200):
        table.volume_of("/p1/v1/x/y/z"), table.borders_below("/p1/v1")
    return perf_counter() - began


def _path(volume: Volume) -> str:
    return volume.path


def test_a_table_without_an_owner_of_everything_is_none() -> None:
    wire = random_table(Random(0), 3).to_wire()
    with pytest.raises(Invalid):
        read_table({**wire, "volumes": [row for row in wire["volumes"] if row[0] != "/"]})
