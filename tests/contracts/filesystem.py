"""What every filesystem must do, by whatever client it is reached and on whatever store it stands.

Plain scenarios over the async `Client`, with nothing but the standard library, so that the same file runs on
CPython and inside a browser. Each gets a client of an empty filesystem.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

from emerge_wasm import CannotShip, Conflict, EmergeFile, ExecutionFailed, Invalid, NotFound, PermissionDenied
from emerge_wasm.clients import Client
from emerge_wasm.codec import Reference, encode
from emerge_wasm.errors import LimitExceeded

Scenario = Callable[[Client], Awaitable[None]]
SCENARIOS: list[Scenario] = []

RATE = 1.2


def with_rate(amount: float) -> float:
    return amount * RATE


@dataclass
class Part:
    label: str
    weight: float = 0.0


@dataclass
class Item(EmergeFile):
    """One line of stock."""

    unit_price: float = 0.0
    quantity: int = 0
    parts: list[Part] = field(default_factory=list)

    def total_cost(self) -> float:
        """Price times quantity."""
        return self.unit_price * self.quantity

    def gross(self) -> float:
        return with_rate(self.total_cost())

    def sell(self, count: int = 1) -> int:
        if count > self.quantity:
            raise ValueError(f"only {self.quantity} left")
        self.quantity -= count
        return self.quantity


@dataclass
class Tool(EmergeFile):
    """Methods of every kind."""

    async def wait(self) -> str:
        await asyncio.sleep(0)
        return "waited"

    def count(self, end: int) -> Iterator[int]:
        yield from range(end)

    @classmethod
    def make(cls) -> int:
        return 7

    @staticmethod
    def add(a: int, b: int) -> int:
        return a + b

    def part(self) -> Part:
        return Part("wheel", 1.0)

    def say(self, text: str) -> None:
        print(text)  # noqa: T201

    def unwritable(self) -> object:
        return object()

    def _hidden(self) -> int:
        return 1


def scenario(function: Scenario) -> Scenario:
    SCENARIOS.append(function)
    return function


async def refused(work: Awaitable[Any], kind: type[Exception], *words: str) -> Any:
    """The error that the work must fail with; its text must hold these words."""
    try:
        await work
    except kind as error:
        for word in words:
            assert word in str(error), f"{word!r} is not in {error}"
        return error
    raise AssertionError(f"no {kind.__name__} was raised")


def item(name: str, path: str = "/inventory", **fields: Any) -> Item:
    return Item(name=name, path=path, **fields)


@scenario
async def stores_and_reads_an_object(client: Client) -> None:
    widget = item("widget1", unit_price=3.0, quantity=10, parts=[Part("wheel", 0.5)])
    pointer = await client.store(widget)
    assert (pointer.full_path, pointer.version, pointer.class_name) == ("/inventory/widget1", 1, "Item")
    assert widget.version == 1 and widget.uuid == pointer.uuid
    again = await client.getobject("/inventory/widget1")
    assert again == widget and again.total_cost() == 30.0
    assert again.parts[0].label == "wheel"
    assert await client.cat("/inventory/widget1.unit_price") == 3.0
    assert await client.cat("/inventory/widget1.parts.0.label") == "wheel"
    assert await client.cat("/inventory/widget1.version") == 1


@scenario
async def tells_who_stands_for_a_class(client: Client) -> None:
    """Whoever stores from a program that has the class; not who copies, or writes a state by its class's hash."""
    pointer = await client.store(item("mine"))
    me = (await client.whoami())["principal"]
    known = await client.authors([pointer.bundle, "0" * 64])
    assert {row["principal"] for row in known[pointer.bundle]} == {me} and known["0" * 64] == []
    ada = client.as_user("ada", "staff")
    await client.chmod("/inventory", "rwxrwxrwx", recursive=True)
    await ada.cp("/inventory/mine", "/inventory/copy")
    row = await ada.remote.getobject("/inventory/mine")
    await ada.remote.store("/inventory/same", row["state"], "Item", pointer.bundle)
    assert {row["principal"] for row in (await client.authors([pointer.bundle]))[pointer.bundle]} == {me}
    ada._sent = set()  # it has sent nothing yet
    await ada.store(item("hers"))
    assert (await client.authors([pointer.bundle]))[pointer.bundle] == [
        {"principal": name, "groups": groups} for name, groups in sorted([(me, []), ("ada", ["staff"])])
    ]
    await refused(client.authors(["x"] * 1001), LimitExceeded, "hashes")


@scenario
async def reads_properties_of_objects_with_any_name(client: Client) -> None:
    names = ["n" * 255, "é" * 255, "u\u0308" * 255, "a.b" * 85, "日" * 255, "x", "v1.2", ".hidden", "a" * 254 + "."]
    await client.storeall([EmergeFile(name=name, path="/long/er", data={"k": [1, {"deep": "yes"}]}) for name in names])
    for name in names:
        assert await client.cat(f"/long/er/{name}.data.k.1.deep") == "yes", name
        assert await client.cat(f"/long/er/{name}") == {"data": {"k": [1, {"deep": "yes"}]}, "id": ""}, name
        await refused(client.cat(f"/long/er/{name}.data.none"), NotFound, "has no 'none'")
        await refused(client.cat(f"/long/er/{name}." + "far." * 100 + "off"), NotFound, "far")
    await refused(client.cat(f"/long/er/{'n' * 256}.data"), Invalid, "256 characters")
    await refused(client.cat(f"/long/er/{'n' * 250}.data.k"), NotFound, "nothing is at")


@scenario
async def keeps_every_plain_type(client: Client) -> None:
    values = [None, True, 2**80, 1.5, "ünï", b"\0\xff", [1, [2]], {"a": 1}, {1: "one"}, (1, 2), {3}, Decimal("1.10")]
    values += [datetime(2026, 1, 2, 3, 4, 5, 6, UTC), complex(1, 2)]
    await client.store(EmergeFile(name="bag", data=values))
    assert (await client.getobject("/bag")).data == values
    assert await client.cat("/bag.data") == values


@scenario
async def every_change_is_a_version(client: Client) -> None:
    widget = item("w", unit_price=1.0)
    await client.store(widget)
    widget.unit_price = 2.0
    await client.store(widget)
    await client.update("/inventory/w", unit_price=3.0)
    history = await client.versions("/inventory/w")
    assert [row["version"] for row in history] == [3, 2, 1]
    assert [row["operation"] for row in history] == ["update", "store", "store"]
    assert [(await client.getobject("/inventory/w", version)).unit_price for version in (1, 2, 3)] == [1.0, 2.0, 3.0]
    assert len({row["revision"] for row in history}) == 3
    assert [row["version"] for row in await client.versions("/inventory/w", before=3, limit=1)] == [2]
    await refused(client.getobject("/inventory/w", 9), NotFound, "no version 9", "version 3")


@scenario
async def a_stale_store_gives_both_states(client: Client) -> None:
    await client.store(item("w", unit_price=1.0))
    mine, theirs = await client.getobject("/inventory/w"), await client.getobject("/inventory/w")
    theirs.unit_price = 2.0
    await client.store(theirs)
    mine.unit_price = 3.0
    error = await refused(client.store(mine), Conflict, "version 2", "version 1")
    assert error.details["theirs"] and error.details["mine"]
    assert error.details["pointer"]["version"] == 2
    assert (await client.getobject("/inventory/w")).unit_price == 2.0
    await refused(client.update("/inventory/w", 1, unit_price=9.0), Conflict)


@scenario
async def storing_afresh_at_a_path_is_a_new_version(client: Client) -> None:
    for price in (1.0, 2.0, 3.0):
        await client.store(item("w", unit_price=price))
    pointers = await client.list("/inventory")
    assert [(p.name, p.version) for p in pointers] == [("w", 3)]


@scenario
async def lists_in_pages_without_a_cap(client: Client) -> None:
    names = [f"n{number:04}" for number in range(450)]
    await client.storeall([EmergeFile(name=name, path="/many", data=name) for name in names])
    assert [p.name for p in await client.list("/many")] == names
    page = await client.list("/many", limit=200)
    assert [p.name for p in page] == names[:200] and page.cursor
    page = await client.list("/many", page.cursor, 1000)
    assert [p.name for p in page] == names[200:] and not page.cursor
    assert [p.name async for p in client.dir("/many")] == names
    await refused(client.list("/many", limit=0), Invalid, "limit")


@scenario
async def any_page_of_a_listing_is_one_call(client: Client) -> None:
    await client.storeall([EmergeFile(name=f"n{number:03}", path="/many") for number in range(60)])
    names = [p.name for p in await client.list("/many")]
    for limit in (1, 7, 30, 59, 60, 61):
        pages = await client.pages("/many", limit)
        assert pages["count"] == 60 and len(pages["cursors"]) == -(-60 // limit)
        for number, cursor in enumerate(pages["cursors"]):
            page = await client.list("/many", cursor, limit)
            assert [p.name for p in page] == names[number * limit :][:limit]
    await client.mkdir("/none")
    assert await client.pages("/none") == {"count": 0, "cursors": [""]}
    await refused(client.pages("/many", 0), Invalid, "limit")
    await refused(client.pages("/nowhere"), NotFound, "/nowhere")


@scenario
async def stores_many_in_one_commit(client: Client) -> None:
    start = (await client.changes())["position"]
    widgets = [item(f"w{number:03}", f"/shelf/{number % 3}", quantity=number) for number in range(300)]
    pointers = await client.storeall(widgets)
    assert [p.full_path for p in pointers][:2] == ["/shelf/0/w000", "/shelf/1/w001"]
    if (await client.hello())["largest_batch"] >= 5 * len(widgets):
        assert (await client.changes())["position"] == start + 1
    assert [obj.quantity async for obj in client.objects("/shelf/1")] == list(range(1, 300, 3))
    assert [obj.total_cost() async for obj in client.objects("/shelf")] == []
    stale = widgets[:2]
    await client.update("/shelf/1/w001", quantity=0)
    stale[0].quantity, stale[1].quantity = 99, 98
    await refused(client.storeall(stale), Conflict, "/shelf/1/w001")
    assert await client.cat("/shelf/0/w000.quantity") == 0
    await refused(client.storeall([item("x"), item("x")]), Invalid, "twice")


@scenario
async def objects_read_together_are_those_read_one_by_one(client: Client) -> None:
    """Whatever their fields hold, now and at a moment before: plain values, parts, references, what leads back."""
    dice = Random(7)
    first = await client.store(item("first", "/together"))

    def value(depth: int = 0) -> Any:
        kinds: list[Callable[[], Any]] = [
            lambda: None, lambda: dice.random(), lambda: "é" * dice.randrange(40), lambda: bytes(dice.randrange(300)),
            lambda: datetime.fromtimestamp(dice.randrange(10**9), UTC), lambda: Decimal(dice.randrange(99)) / 8,
            lambda: UUID(int=dice.getrandbits(128)), lambda: Reference(first.uuid), lambda: Part("part", 2.5),
        ]  # fmt: skip
        inner: list[Callable[[], Any]] = [
            lambda: [value(depth + 1) for _ in range(dice.randrange(4))],
            lambda: {f"k{key}": value(depth + 1) for key in range(dice.randrange(4))},
            lambda: (value(depth + 1),),
        ]
        return dice.choice(kinds if depth > 2 else kinds + inner)()

    made: list[EmergeFile] = []
    for number in range(60):
        made.append(dice.choice([Item, Tool, EmergeFile])(name=f"o{number:02}", path="/together", data=value()))
        if dice.random() < 0.3:
            vars(made[-1])["more"] = dice.choice([made[-1], value(), Part(made[-1])])  # type: ignore[arg-type]
    await client.storeall(made)
    await client.mkdir("/together/inner")
    before = datetime.now(UTC)
    for obj in dice.sample(made, 12):
        obj.data = value()
        await client.store(obj)

    def held(obj: Any) -> tuple[object, ...]:
        return type(obj), [*vars(obj)], encode([*vars(obj).values()], bundle_of=lambda cls: cls.__name__, root=obj)

    for moment in (None, before):
        paths = ["/together/first", *(f"/together/{obj.name}" for obj in made)]
        one_by_one = [held(await client.getobject(path, as_of=moment)) for path in paths]
        assert [held(obj) async for obj in client.objects("/together", as_of=moment)] == one_by_one
        found = await client.search("o.name != 'inner'", "/together", as_of=moment, order_by="name")
        assert [held(obj) for obj in found] == one_by_one


@scenario
async def many_large_objects_go_in_messages_of_a_bounded_size(client: Client) -> None:
    """Together they are larger than any one message may be."""
    data = bytes(600_000)
    await client.storeall(EmergeFile(name=f"o{number:02}", path="/large", data=data) for number in range(30))
    assert [(obj.name, len(obj.data)) async for obj in client.objects("/large")] == [
        (f"o{number:02}", len(data)) for number in range(30)
    ]


@scenario
async def large_states_come_back_whole(client: Client) -> None:
    data = bytes(range(256)) * 4096
    await client.store(EmergeFile(name="big", data=data))
    assert (await client.getobject("/big")).data == data
    moved = await client.mv("/big", "/deep/big")
    assert moved.size > len(data) and await client.cat("/deep/big.data") == data


@scenario
async def directories_are_objects_too(client: Client) -> None:
    made = await client.mkdir("/a/b/c")
    assert made.is_directory and made.full_path == "/a/b/c"
    assert (await client.mkdir("/a/b/c")).uuid == made.uuid
    assert [p.name for p in await client.list("/")] == ["a"]
    assert (await client.get("/")).full_path == "/"
    await client.store(EmergeFile(name="top"))
    assert [p.full_path async for p in client.tree("/")] == ["/a", "/a/b", "/a/b/c", "/top"]
    await refused(client.store(EmergeFile(name="b", path="/a")), Invalid, "/a/b", "directory")
    await refused(client.mkdir("/top/x"), Invalid, "/top")
    await refused(client.list("/top"), Invalid, "not a directory")
    await refused(client.list("/nowhere"), NotFound, "/nowhere")


@scenario
async def removed_means_gone(client: Client) -> None:
    await client.store(item("w"))
    await refused(client.rm("/inventory"), Invalid, "not empty", "recursive")
    assert await client.rm("/inventory/w") == 1
    for call in (client.get, client.getobject, client.cat, client.methods, client.rm):
        await refused(call("/inventory/w"), NotFound, "/inventory/w")
    await refused(client.run("/inventory/w", "total_cost"), NotFound)
    assert await client.list("/inventory") == []
    await client.store(item("w"))
    assert (await client.get("/inventory/w")).version == 1
    assert await client.rm("/inventory", recursive=True) == 2
    assert await client.list("/") == []


@scenario
async def moving_keeps_uuid_and_versions(client: Client) -> None:
    first = await client.store(item("w", unit_price=1.0))
    moved = await client.mv("/inventory/w", "/store/shelf/w2")
    assert (moved.uuid, moved.version, moved.full_path) == (first.uuid, 2, "/store/shelf/w2")
    assert (await client.getobject("/store/shelf/w2")).unit_price == 1.0
    assert len(await client.versions("/store/shelf/w2")) == 2
    await refused(client.get("/inventory/w"), NotFound)
    await client.mv("/store", "/inventory")
    assert [p.full_path async for p in client.tree("/inventory")] == [
        "/inventory/store",
        "/inventory/store/shelf",
        "/inventory/store/shelf/w2",
    ]
    await refused(client.mv("/inventory", "/inventory/store/x"), Invalid, "into itself")
    await client.store(item("w"))
    await refused(client.mv("/inventory/w", "/inventory/store/shelf/w2"), Conflict, "there already")


@scenario
async def copies_are_new_objects(client: Client) -> None:
    first = await client.store(item("w", unit_price=4.0))
    copy = await client.cp("/inventory/w", "/other/")
    assert copy.uuid != first.uuid and copy.full_path == "/other"
    await client.mkdir("/dir")
    assert (await client.cp("/inventory/w", "/dir")).full_path == "/dir/w"
    await refused(client.cp("/inventory", "/all"), Invalid, "recursive")
    await client.cp("/inventory", "/all", recursive=True)
    assert (await client.getobject("/all/w")).unit_price == 4.0
    assert [row["operation"] for row in await client.versions("/all/w")] == ["cp"]
    await refused(client.cp("/inventory", "/inventory/deep", recursive=True), Invalid, "into itself")


@scenario
async def code_is_shown_without_running_it(client: Client) -> None:
    await client.store(item("w"))
    methods = {row["name"]: row for row in await client.methods("/inventory/w")}
    assert {"total_cost", "gross", "sell"} <= set(methods)
    assert methods["total_cost"]["doc"] == "Price times quantity."
    assert "count: int=1" in methods["sell"]["signature"]
    code = await client.code("/inventory/w")
    assert "class Item(EmergeFile)" in code and "RATE = 1.2" in code and "def with_rate" in code
    assert (await client.code("/inventory/w", "gross")).strip().startswith("def gross")
    assert "One line of stock." in await client.help("/inventory/w")
    await refused(client.code("/inventory/w", "nothing"), NotFound, "nothing")
    everything = await client.code("/inventory/w", bundle=True)
    assert "class Item(EmergeFile)" in everything and "\nRATE = 1.2\n" in everything and "# module: " in everything
    await refused(client.code("/inventory/w", "gross", bundle=True), Invalid, "whole")
    await client.store(EmergeFile(name="plain"))
    await refused(client.methods("/plain"), Invalid, "no class")


@scenario
async def runs_methods_and_keeps_what_they_change(client: Client) -> None:
    await client.store(item("w", unit_price=3.0, quantity=10))
    assert await client.run("/inventory/w", "total_cost") == 30.0
    assert await client.run("/inventory/w", "gross") == 36.0
    assert (await client.get("/inventory/w")).version == 1
    assert await client.run("/inventory/w", "sell", 4) == 6
    assert await client.run("/inventory/w", "sell", count=1) == 5
    assert (await client.getobject("/inventory/w")).quantity == 5
    assert (await client.versions("/inventory/w"))[0]["operation"] == "run"
    error = await refused(client.run("/inventory/w", "sell", 100), ExecutionFailed, "only 5 left")
    assert 'raise ValueError(f"only {self.quantity} left")' in error.details["traceback"]
    assert (await client.get("/inventory/w")).version == 3
    await refused(client.run("/inventory/w", "nothing"), NotFound, "nothing", "total_cost")


@scenario
async def older_objects_keep_their_code(client: Client) -> None:
    def make(rate: int) -> type[EmergeFile]:
        if rate == 1:

            @dataclass
            class Priced(EmergeFile):
                def price(self) -> int:
                    return 1

            return Priced

        @dataclass
        class Priced(EmergeFile):  # type: ignore[no-redef]
            def price(self) -> int:
                return 2

        return Priced

    await client.store(make(1)(name="old"))
    await client.store(make(2)(name="new"))
    assert [await client.run(path, "price") for path in ("/old", "/new")] == [1, 2]
    assert [(await client.getobject(path)).price() for path in ("/old", "/new")] == [1, 2]


@scenario
async def bad_paths_are_named(client: Client) -> None:
    for path, word in [
        ("relative", "not absolute"),
        ("/a/../b", "'..'"),
        ("/a//b", "empty"),
        ("/nul\0", "U+0000"),
        ("/" + "x" * 4096, "4096 characters"),
        ("/" + "a/" * 100 + "b", "levels deep"),
        ("/\ud800", "U+D800"),
    ]:
        await refused(client.get(path), Invalid, word)
        await refused(client.mkdir(path), Invalid, word)
    await refused(client.rm("/"), Invalid, "/")
    for name in ("ünïcödé 😀", "with.dots.in", "a b\u00a0c", "-", "%2F"):
        await client.store(EmergeFile(name=name, path="/names", data=1))
        assert (await client.getobject(f"/names/{name}")).name == name
    assert await client.cat("/names/with.dots.in.data") == 1
    await client.store(EmergeFile(name="é", data="nfc"))
    assert (await client.get("/e\u0301")).name == "é"


@scenario
async def writers_of_one_object_all_count(client: Client) -> None:
    await client.store(item("w"))
    await asyncio.gather(*(client.update("/inventory/w", **{f"f{number}": number}) for number in range(24)))
    state = await client.cat("/inventory/w")
    assert [state[f"f{number}"] for number in range(24)] == list(range(24))
    assert (await client.get("/inventory/w")).version == 25


@scenario
async def the_log_tells_every_change_in_order(client: Client) -> None:
    start = (await client.changes())["position"]
    await client.store(item("a"))
    await client.mv("/inventory/a", "/inventory/b")
    await client.rm("/inventory/b")
    page = await client.changes(start)
    told = [(change["operation"], change["path"], change["from"]) for change in page["changes"]]
    assert told == [
        ("mkdir", "/inventory", ""),
        ("store", "/inventory/a", ""),
        ("mv", "/inventory/b", "/inventory/a"),
        ("rm", "/inventory/b", ""),
    ]
    positions = [change["position"] - start for change in page["changes"]]
    assert positions == [1, 1, 2, 3] and page["position"] == start + 3
    assert [change["path"] for change in (await client.changes(start + 2))["changes"]] == ["/inventory/b"]


@scenario
async def older_states_are_read_in_every_way(client: Client) -> None:
    await client.store(item("w", unit_price=1.0))
    await client.update("/inventory/w", unit_price=2.0)
    assert (await client.get("/inventory/w", 1)).version == 1
    assert await client.cat("/inventory/w.unit_price", 1) == 1.0
    old = await client.getobject("/inventory/w", 1)
    assert (old.unit_price, old.version) == (1.0, 1)
    old.unit_price = 3.0
    await refused(client.store(old), Conflict, "version 2", "version 1")
    old.unit_price = 1.0
    old.version = 0
    assert (await client.store(old)).version == 3
    assert await client.cat("/inventory/w.unit_price") == 1.0


@scenario
async def properties_that_are_not_there_are_named(client: Client) -> None:
    await client.store(item("w", parts=[Part("wheel")]))
    for tail, word in [("price", "price"), ("parts.3", "3"), ("parts.0.colour", "colour"), ("quantity.x", "x")]:
        await refused(client.cat(f"/inventory/w.{tail}"), NotFound, word, "/inventory/w")


@scenario
async def what_cannot_travel_is_named(client: Client) -> None:
    await refused(client.store(EmergeFile(name="f", data={"deep": [open]})), CannotShip, "data")
    await refused(client.update("/nowhere", x=object()), CannotShip, "x")
    await refused(client.store(EmergeFile(path="/nameless")), Invalid, "name")
    await refused(client.store(Part("loose")), Invalid, "Part", "EmergeFile")  # type: ignore[arg-type]
    assert await client.list("/") == []


@scenario
async def wrong_calls_are_refused(client: Client) -> None:
    call = client.transport.call
    await refused(call("nonsense", []), Invalid, "nonsense", "getobject")
    await refused(call("_core", []), Invalid, "_core")
    await refused(call("get", []), Invalid, "get got 0 arguments", "path: str")
    await refused(call("get", ["/", 0, "", 1]), Invalid, "get got 4 arguments")
    await refused(call("get", ["/", "one"]), Invalid, "version", "str")
    await refused(call("store", ["/x", b"\xc1"]), Invalid, "/x")
    await refused(call("update", ["/x", b"\xc1"]), Invalid)
    assert await client.list("/") == []


@scenario
async def tells_who_answers(client: Client) -> None:
    await client.mkdir("/a")
    found = await client.hello()
    assert found["node"] == (await client.get("/a")).node and found["runs"] in ("sandbox", "unsafe", "browser")
    assert found["position"] == (await client.changes())["position"] > 0
    assert found["durability"] and found["store"] and found["principal"] == (await client.get("/a")).owner


@scenario
async def makes_a_repeated_change_once(client: Client) -> None:
    fs = client.once("first")
    stored = [await fs.store(item("w", quantity=5)) for _ in range(2)]
    assert stored[0] == stored[1] == await client.get("/inventory/w")
    assert [await client.once("second").run("/inventory/w", "sell", 2) for _ in range(3)] == [3] * 3
    await refused(client.once("second").rm("/inventory/w"), Invalid, "'second'", "run /inventory/w sell")
    assert (await client.recall("/inventory/w", "second"))["result"] == 3
    assert not (await client.recall("/inventory/w", "third"))["known"]
    assert [await client.once("gone").rm("/inventory/w") for _ in range(2)] == [1, 1]


@scenario
async def runs_whatever_a_method_is(client: Client) -> None:
    await client.store(Tool(name="t"))
    assert await client.run("/t", "wait") == "waited"
    assert await client.run("/t", "count", 3) == [0, 1, 2]
    assert await client.run("/t", "make") == 7 and await client.run("/t", "add", 1, b=2) == 3
    part = await client.run("/t", "part")
    assert (part.class_name, part.fields) == ("Part", {"label": "wheel", "weight": 1.0})
    receipt = await client.transport.call("run", ["/t", "say", ["hello"], {}, True])
    assert receipt["output"] == "hello\n" and receipt["pointer"] is None and receipt["milliseconds"] >= 0
    await refused(client.run("/t", "unwritable"), CannotShip, "unwritable")
    await refused(client.run("/t", "add", 1), Invalid, "add", "b: int")
    for private in ("__init__", "_hidden"):
        await refused(client.run("/t", private), PermissionDenied, private, "private")
    assert (await client.get("/t")).version == 1


@scenario
async def watching_sees_changes_as_they_come(client: Client) -> None:
    start = (await client.changes())["position"]
    watch = client.watch("/inventory", start)
    await client.store(EmergeFile(name="elsewhere"))
    await client.store(item("w"))
    assert (await anext(watch))["operation"] == "mkdir"
    assert (await anext(watch))["path"] == "/inventory/w"
    coming = asyncio.ensure_future(anext(watch))
    await asyncio.sleep(0.02)
    assert not coming.done()
    await client.rm("/inventory/w")
    assert (await asyncio.wait_for(coming, 5))["operation"] == "rm"
    await watch.aclose()


from tests.contracts import (  # noqa: E402 - their scenarios join those above
    composition,  # noqa: F401
    copying,  # noqa: F401
    files,  # noqa: F401
    indexing,  # noqa: F401
    running,  # noqa: F401
    searching,  # noqa: F401
    versioning,  # noqa: F401
)
