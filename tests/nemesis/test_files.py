"""What the load of files knows of its files, and what is found in a store that lost or kept blocks wrongly."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from random import Random

import pytest

from emerge_wasm.blocks.layout import make_layout
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.errors import NotFound, Unavailable
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.blocks.row import LEDGER, key_of
from emerge_wasm.operations import Context
from emerge_wasm.store import Batch
from tests.scale import examples

from .content import HEAD, PART, parts_of, slice_of, value_of
from .files import judge
from .history import Action
from .remains import Group, Remains, gone, remains_of, unlevel
from .stores import opened

SIZES = [0, 1, HEAD - 1, HEAD, HEAD + 1, 5000, PART, PART + 1, 2 * PART + 3]


def test_a_file_says_what_it_is_and_any_other_byte_is_seen(tmp_path: Path) -> None:
    dice, file = Random(), tmp_path / "file"
    for size in SIZES:
        number = dice.randrange(1 << 40)
        whole = b"".join(parts_of(number, size))
        offset, length = dice.randrange(size + 1), dice.randrange(PART)
        assert len(whole) == size and slice_of(number, size, offset, length) == whole[offset : offset + length]
        file.write_bytes(whole)
        right = value_of(file)
        for _ in range(examples(3)):
            wrong = bytearray(whole) or bytearray(b"x")
            wrong[dice.randrange(len(wrong))] ^= bool(whole) and dice.randrange(1, 256)
            file.write_bytes(dice.choice([wrong, whole + b"x", whole[:-1] or b"y"]))
            assert value_of(file) != right, (number, size)


def test_a_block_that_is_lost_is_no_file_that_is_not_there() -> None:
    see: list[Action] = [{"do": "see", "key": "/a"}]
    assert judge(NotFound("/a is not there", path="/a"), see, True) == ("fail", [{**see[0], "seen": None}])
    for error in (NotFound("a block is lost", path="/a", block="00"), Unavailable("a block is lost", path="/a")):
        assert judge(error, see, True) == ("fail", [])
    put: list[Action] = [{"do": "put", "key": "/a", "value": "1"}]
    assert judge(Unavailable("it went", unknown=True), put, False) == ("unknown", put)


@pytest.mark.parametrize("raid", [0, 6])
async def test_what_is_left_or_gone_is_told(raid: int, tmp_path: Path) -> None:
    async with opened(f"sqlite:///{tmp_path}/node.db") as filesystem:
        client, blocks = client_of(filesystem), filesystem.core.blocks
        pointer = await client.put(BytesIO(b"".join(parts_of(7, PART + 9))), "/file", raid=raid)
        await client.put(BytesIO(b"".join(parts_of(8, PART))), "/other", raid=raid)
        with pytest.raises(ZeroDivisionError):
            async with await client.open("/never", "wb") as file:
                for part in parts_of(9, 20 * PART):
                    await file.write(part)
                raise ZeroDivisionError
        remains = await remains_of(blocks)
        assert remains.faults == [] and list(gone([remains], [remains])) == []
        name, _ = (await blocks.page())[-1]
        await blocks.store.commit(Batch(deletes=[key_of(LEDGER, name)]))
        lacking = await remains_of(blocks)
        assert list(gone([lacking], [lacking])), pointer
        assert list(gone([lacking], [remains])) == []  # another store has it


def client_of(filesystem: Filesystem) -> Client:
    return Client(LocalTransport(filesystem, Context("anna", superuser=True)))


def test_a_copy_that_another_owner_has_there_is_none_too_many() -> None:
    """The owner of a file may hold a fragment for another one, as after `cp`, that its own level wants elsewhere."""
    names = tuple(bytes([number]) * 32 for number in range(3))
    group = Group(make_layout(5, 2), names)

    def laid(for_others: set[bytes]) -> list[str]:
        own = Remains({names[0], names[1]}, set(names), [], {group}, {"c": for_others})
        b = Remains({names[1]}, set(), [], set(), {"a": {names[1]}})
        c = Remains({names[2]}, set(), [], set(), {"a": {names[2]}})
        return [*unlevel({"a": own, "b": b, "c": c}, ["a"])]

    assert laid({names[1]}) == []
    assert [text.split(" of ")[1] for text in laid(set())] == ["a is on 2 nodes, and is to be on 1"]
