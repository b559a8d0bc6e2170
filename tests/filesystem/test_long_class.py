"""A class of any length is described once, beside the event loop, which serves others meanwhile."""

from __future__ import annotations

import ast
import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from emerge_wasm.bundles import describe
from emerge_wasm.bundles.bundle import Bundle, Content, SourcePart
from emerge_wasm.bundles.source_tree import LONG, PARSES_BESIDE, SOURCE_LIMIT, WORDS_LIMIT
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.codec import encode
from emerge_wasm.errors import LimitExceeded
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.operations import Context
from emerge_wasm.stores import open_store


@pytest.fixture
async def client() -> AsyncIterator[LocalTransport]:
    filesystem = await Filesystem.open(await open_store("memory:"), node="here")
    yield LocalTransport(filesystem, Context("tester", superuser=True))
    await filesystem.close()


def method(name: str) -> str:
    return f"    def {name}(self, a: int = 1, b: str = 'x') -> int:\n        '''Do it.'''\n        return a + len(b)\n"


def bundle_of(body: str, name: str = "Long") -> Bundle:
    text = f"class {name}(EmergeFile):\n    size: int = 1\n{body}"
    imports = ("from emerge_wasm import EmergeFile",)
    return Bundle.of(Content(name, imports=imports, parts=(SourcePart("class", name, text, False),)))


async def put(client: LocalTransport, path: str, bundle: Bundle) -> None:
    state = encode({"id": "", "data": None, "size": 2})
    await client.call("store", [path, state, bundle.class_name, bundle.hash, 0, "file", "", {bundle.hash: bundle.data}])


def long_bundle(seed: str) -> Bundle:
    return bundle_of("".join(method(f"m{seed}{number}") for number in range(500)))


READS: dict[str, Callable[[LocalTransport, str], Awaitable[Any]]] = {
    "methods": lambda client, path: client.call("methods", [path]),
    "help": lambda client, path: client.call("help", [path, "mhelp7"]),
    "code": lambda client, path: client.call("code", [path, "mcode7"]),
    "graphql": lambda client, path: client.call("graphql", ["/deep", "{ longs { count } }"]),
    "search": lambda client, path: client.call(
        "search", ["/deep", {"text": "lambda o: o.size > 1", "values": encode({}), "bundle": ""}]
    ),
}


@pytest.mark.parametrize("name", READS)
async def test_the_loop_serves_others_while_a_long_class_is_read(
    client: LocalTransport, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """No source of more than a few lines is parsed in the loop's thread, and none a second time."""
    bundle = long_bundle(name)
    await put(client, "/deep/one", bundle)
    parse, loops, parsed = ast.parse, threading.get_ident(), list[int]()

    def note(text: Any, *args: Any, **options: Any) -> Any:
        if len(text) > LONG:
            parsed.append(threading.get_ident())
        return parse(text, *args, **options)

    monkeypatch.setattr(ast, "parse", note)
    await READS[name](client, "/deep/one")
    assert len(parsed) == 1 and (loops not in parsed or not PARSES_BESIDE)
    await READS[name](client, "/deep/one")
    assert len(parsed) == 1


async def test_what_is_too_long_is_not_parsed_and_runs_and_is_shown_all_the_same(client: LocalTransport) -> None:
    for number, body in enumerate(
        (
            "    a = 1\n" * (WORDS_LIMIT // 3 + 1),  # many words
            f"    a = '{'x' * SOURCE_LIMIT}'\n",  # few, and long
            "    " + "a;" * (WORDS_LIMIT // 2 + 1) + "\n",
        )
    ):
        bundle = bundle_of(body, f"Long{number}")
        await put(client, f"/deep/{number}", bundle)
        for operation in ("methods", "help"):
            with pytest.raises(LimitExceeded) as caught:
                await client.call(operation, [f"/deep/{number}"])
            assert caught.value.details["limit"] == "source" and caught.value.remedy
        assert bundle.source in await client.call("code", [f"/deep/{number}"])
        assert (await client.call("getobject", [f"/deep/{number}"]))["pointer"]["class_name"] == f"Long{number}"
    found = await client.call("graphql", ["/deep", "{ objects { count } }"])
    assert found["errors"] == [] and found["data"]["objects"]["count"] == 3


async def test_descriptions_are_the_same_when_they_are_kept_and_when_a_base_comes_later() -> None:
    """What is described while a base is missing is described anew when it is there."""
    base = bundle_of(method("of_base"), "Base")
    text = "class Item(Base):\n    price: float = 0.0\n"
    item = Bundle.of(
        Content("Item", classes=(("Base", base.hash),), parts=(SourcePart("class", "Item", text, False),),
                requires=(base.hash,))
    )  # fmt: skip
    there: dict[str, bytes] = {item.hash: item.data}
    assert [row["name"] for row in describe(item, there.get)["methods"]] == []
    there[base.hash] = base.data
    first = describe(item, there.get)
    assert [row["name"] for row in first["methods"]] == ["of_base"]
    assert describe(item, there.get) is first


async def test_reads_of_the_same_long_class_at_once_agree(client: LocalTransport) -> None:
    bundle = long_bundle("at_once")
    await put(client, "/deep/one", bundle)
    found = await asyncio.gather(*(client.call("methods", ["/deep/one"]) for _ in range(8)))
    assert all(rows == found[0] for rows in found) and len(found[0]) == 500
