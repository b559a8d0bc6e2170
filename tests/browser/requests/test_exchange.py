"""Files that people give the page: read whatever wrote them, and given back what they were."""

from __future__ import annotations

import asyncio
import io
from random import Random
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emerge_wasm import Invalid
from emerge_wasm.browser.protocol.argument import ExportArgs, LoadArgs
from emerge_wasm.browser.requests.exchange import ENCODINGS, _fields_of, _load_archive, _records_of, _text
from emerge_wasm.clients import archive

from .test_facet import MAKERS, Held, Hue
from .test_table import OneTab, one_tab


@given(st.text("aäß€žç,;\n", min_size=1), st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]))
def test_a_text_is_read_whatever_wrote_it(text: str, encoding: str) -> None:
    data = text.encode(encoding)
    if encoding != "cp1252" or not _is_utf8(data):
        assert _text(data, "") == (text, encoding.removesuffix("-sig"))
    assert _text(data, encoding.removesuffix("-sig"))[0] == text


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def test_what_is_no_text_is_refused_and_each_encoding_is_there() -> None:
    with pytest.raises(Invalid, match="no text"):
        _text(b"\x89PNG\0\xff", "")
    with pytest.raises(Invalid, match="byte 1 of the file is not in utf-8"):
        _text(b"a\xff", "utf-8")
    with pytest.raises(Invalid, match="no encoding 'rot13'"):
        _text(b"a", "rot13")
    for encoding in ENCODINGS:
        assert _text("a;1\n".encode(encoding), encoding) == ("a;1\n", encoding)


def test_columns_become_fields_that_expressions_can_name() -> None:
    assert _fields_of(["Name", "first name", "class", "__proto__", "2nd", "Größe"]) == [
        "name",
        "first_name",
        "class_",
        "proto",
        "n_2nd",
        "Größe",
    ]
    assert _fields_of(["Name", "name", "NAME"]) == ["Name", "name", "NAME"]


SEEN = {"where": "local", "inside": True, "text": "", "order": "", "descending": False, "run": 1, "format": "emerge"}


async def all_of(tab: OneTab, top: str) -> dict[str, tuple[object, ...]]:
    """What is at and below a directory, by the paths within: the states of all versions, and the rights."""
    found: dict[str, tuple[object, ...]] = {}
    async for pointer in tab.place.reader.tree(top):
        path = pointer.full_path
        states: list[bytes] = []
        for version in range(1, 1 if pointer.is_directory else pointer.version + 1):
            states.append((await tab.place.call("getobject", [path, version]))["state"])
        found[path.removeprefix(top.rstrip("/"))] = (pointer.type, pointer.class_name, pointer.perms, *states)
    found.pop("", None)
    return found


async def exported(tab: OneTab, path: str, paths: list[str]) -> bytes:
    file = io.BytesIO()
    args = cast("ExportArgs", {**SEEN, "path": path, "paths": paths})
    await archive.write(tab.place.reader, file, path, _records_of(tab.place, args))
    return file.getvalue()


@pytest.mark.parametrize("seed", range(3))
def test_what_goes_out_as_an_archive_comes_in_as_it_was(seed: int) -> None:
    """All of a filesystem, a directory of it, and some of its entries: with their versions; undone, it is as before."""

    async def run(random: Random) -> None:
        async with one_tab() as tab:
            for n in range(12):
                path = random.choice(["/d", "/d/e", "/d/ü שלום", "/f"])
                for _ in range(random.randrange(1, 4)):
                    made = Held(name=f"h{n} 🏳️", path=path)
                    if await tab.place.has(f"{path}/{made.name}"):
                        made = await tab.place.reader.getobject(f"{path}/{made.name}")
                    made.hue, made.any = random.choice([None, *Hue]), random.choice(MAKERS)(random)
                    await tab.place.reader.store(made)
            await tab.place.reader.mkdir("/d/empty")
            await tab.place.reader.chmod("/d/empty", "rwx------")
            whole = await all_of(tab, "/")
            some = random.sample([path for path in await all_of(tab, "/d") if path.count("/") == 1], 2)
            for top, paths in (("/", []), ("/d", []), ("/d", [f"/d{path}" for path in some])):
                data = await exported(tab, top, paths)
                wanted = await all_of(tab, top)
                if paths:
                    wanted = {
                        at: held for at, held in wanted.items() if any(f"{at}/".startswith(f"{each}/") for each in some)
                    }
                async with one_tab() as other:
                    args = cast("LoadArgs", {"where": "local", "path": "/in", "check": False})
                    await other.place.reader.mkdir("/in")
                    report = await _load_archive(other.place, args, data)
                    assert (report["made"], report["replaced"], report["refused"]) == (len(wanted), 0, 0)
                    assert await all_of(other, "/in") == wanted
                    undone = await other.change(*report["undo"])
                    assert undone["failed"] == 0 and await all_of(other, "/in") == {}
            assert await all_of(tab, "/") == whole

    asyncio.run(run(Random(seed)))
