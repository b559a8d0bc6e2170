"""Objects whose classes cannot be loaded are errors of a search; the others are found."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from emerge_wasm import EmergeFile
from emerge_wasm.bundles import capture
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.errors import EmergeError, ExecutionFailed, Unavailable
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.sandbox import Pool
from emerge_wasm.stores import open_store

pytestmark = pytest.mark.asyncio(loop_scope="session")


@dataclasses.dataclass
class Crate(EmergeFile):
    weight: int = 0

    @property
    def heavy(self) -> bool:
        return self.weight > 5


def class_of(name: str, lines: str, imports: tuple[str, ...] = ()) -> tuple[str, dict[str, bytes]]:
    """A bundle as Crate's, whose text is another, as another process or Python may have made it."""
    content = capture(Crate)[-1].content
    part = dataclasses.replace(
        next(part for part in content.parts if part.name == "Crate"), name=name, text=lines.format(name=name)
    )
    made = type(capture(Crate)[-1]).of(
        dataclasses.replace(content, class_name=name, parts=(part,), imports=(*content.imports, *imports))
    )
    return made.hash, {made.hash: made.data}


GOOD = (
    "@dataclass\nclass {name}(EmergeFile):\n    weight: int = 0\n"
    "    @property\n    def heavy(self):\n        return self.weight > 5"
)
BROKEN = {
    "package": (GOOD, ("import nowhere_at_all",)),
    "syntax": ("class {name}(EmergeFile):\n    def heavy(self):\n        return ][", ()),
    "definition": ("class {name}(EmergeFile):\n    weight = 1 / 0\n    heavy = property(abs)", ()),
    "endless": ("class {name}(EmergeFile):\n    heavy = property(abs)\n    while True: pass", ()),
    "memory": (
        "class {name}(EmergeFile):\n    heavy = property(abs)\n    big = [bytearray(1 << 24) for _ in range(10**6)]",
        (),
    ),
    "exit": ("import os\nclass {name}(EmergeFile):\n    heavy = os._exit(3)", ()),
}


@pytest_asyncio.fixture(loop_scope="session")
async def client(pool: Pool) -> AsyncIterator[Client]:
    filesystem = await Filesystem.open(await open_store("memory:"), node="here", runner=pool)
    client = Client(LocalTransport(filesystem))
    await client.trust("*")  # so that their text runs here
    yield client
    await filesystem.close()


async def fill(client: Client, names: list[str]) -> int:
    """Objects of Crate, and two of each class that cannot be loaded; how many these are."""
    await client.storeall([Crate(name=f"c{n}", path="/crates", weight=n) for n in range(10)])
    state = (await client.remote.getobject("/crates/c9"))["state"]
    for name in names:
        lines, imports = BROKEN[name]
        hash, bundles = class_of(name.title(), lines, imports)
        for n in range(2):
            await client.remote.store(f"/crates/{name}{n}", state, name.title(), hash, 0, "file", "", bundles)
    return 2 * len(names)


@pytest.mark.parametrize("name", BROKEN)
async def test_each_counts_and_the_search_goes_on(client: Client, name: str) -> None:
    wrong = await fill(client, [name])
    found = await client.search(lambda o: o.heavy, "/crates")
    assert sorted(each.name for each in found) == ["c6", "c7", "c8", "c9"]
    assert found.errors["count"] == wrong and f"/crates/{name}0" in {each["path"] for each in found.errors["first"]}
    assert all(each["error"] for each in found.errors["first"])


async def test_every_operation_that_searches_does(client: Client) -> None:
    wrong = await fill(client, ["package", "syntax", "definition"])
    count = await client.count(lambda o: o.heavy, "/crates")
    assert (count, count.errors["count"]) == (4, wrong)
    assert any("nowhere_at_all" in each["error"] for each in count.errors["first"])
    groups = await client.aggregate("/crates", by="heavy", n="count")
    assert {(group["heavy"], group["n"]) for group in groups} >= {(True, 4), (False, 6)}
    assert groups.errors["count"] == wrong
    ordered = await client.search(lambda o: o.heavy, "/crates", order_by="heavy")
    assert [each.name[0] for each in ordered] == ["c"] * 4 and ordered.errors["count"] == wrong
    answer = await client.graphql('{ objects(filter: {name: {startswith: "c"}}) { objects { name } } }', "/crates")
    assert len(answer["data"]["objects"]["objects"]) == 10  # type: ignore[index]  # there is data


async def test_what_a_client_cannot_load_is_its_error(client: Client) -> None:
    wrong = await fill(client, ["package", "definition"])
    found = await client.search(lambda o: o.weight >= 0, "/crates")
    assert len(found) == 10 and found.errors["count"] == wrong
    assert {each["path"] for each in found.errors["first"]} == {
        f"/crates/{name}{n}" for name in ("package", "definition") for n in range(2)
    }
    names: list[str] = []
    with pytest.raises(ExecutionFailed, match="4 of the objects cannot be loaded here: /crates/definition0: "):
        async for each in client.objects("/crates"):
            names.append(each.name)
    assert len(names) == 10


async def test_what_the_predicate_itself_needs_is_no_object_s_error(client: Client) -> None:
    await fill(client, [])

    async def refused(expression: Any, bundles: dict[str, bytes]) -> EmergeError:
        with pytest.raises(EmergeError) as raised:
            await client.remote.search("/crates", expression, "", False, 10, "", "", bundles)
        return raised.value

    hash, bundles = class_of("Package", *BROKEN["package"])
    error = await refused({"text": "lambda o: Package and o.heavy", "values": b"\x80", "bundle": hash}, bundles)
    assert isinstance(error, Unavailable | ExecutionFailed) and "nowhere_at_all" in error.message
