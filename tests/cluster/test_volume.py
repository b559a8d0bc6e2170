"""What a mount table says is around a path, whatever was asked of it before."""

from __future__ import annotations

from random import Random

from emerge_wasm.cluster.volume import Member, MountTable, Volume

NAMES = "abc"
OWNERS = "fgh"


def make_path(dice: Random, most: int) -> str:
    return "/" + "/".join(dice.choice(NAMES) for _ in range(dice.randint(0, most)))


def test_what_is_around_a_path() -> None:
    """Each table answers as one that looks at all its volumes, and the next is not bound by it."""
    seed = Random().getrandbits(32)
    dice = Random(seed)
    table = MountTable.found("cluster", Member("f", "node", "tcp://here"))
    for _ in range(60):
        path, paths = make_path(dice, 3), {each.path for each in table.volumes}
        if path not in ("/", *paths):
            table = table.mount(path, dice.choice(OWNERS))
        elif path != "/":
            table = table.unmount(path)
        for asked in (make_path(dice, 4) for _ in range(20)):
            around = table.around(asked)
            assert around.volume == holding(table, asked), seed
            below = [
                each for each in table.volumes if asked != each.path and each.path.startswith(asked.rstrip("/") + "/")
            ]
            assert set(around.below) == {each for each in below if is_border(table, each)}, seed
            assert [each.path for each in around.below] == sorted(each.path for each in around.below)
            way = [each for each in table.volumes if each.holds(asked) and is_border(table, each)]
            assert [border for border, _ in around.above] == way, seed
            assert all(above == holding(table, parent(border)) for border, above in around.above), seed


def holding(table: MountTable, path: str) -> Volume:
    return max((each for each in table.volumes if each.holds(path)), key=lambda each: len(each.path))


def parent(volume: Volume) -> str:
    return volume.path.rpartition("/")[0] or "/"


def is_border(table: MountTable, volume: Volume) -> bool:
    return volume.path != "/" and holding(table, parent(volume)).filesystem != volume.filesystem
