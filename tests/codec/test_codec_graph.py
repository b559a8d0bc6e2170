"""Values that share parts, and lead back to themselves, come back with the same types and the same identities."""

from __future__ import annotations

from array import array
from collections import Counter, OrderedDict, defaultdict, deque
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePosixPath
from types import SimpleNamespace
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emerge_wasm import EmergeFile
from emerge_wasm.codec import (
    Record,
    bundles_in,
    decode,
    encode,
    native,
    pack_state,
    plain,
    read_literal,
    references_in,
    show,
    unpack_state,
)
from emerge_wasm.errors import CannotShip, EmergeError, Invalid
from tests.scale import examples


class Pair(NamedTuple):
    left: Any
    right: Any


@dataclass(eq=False)
class Node:
    """Compared by identity, as what is part of a graph usually is."""

    label: Any = None
    links: list[Any] = field(default_factory=list)
    other: Any = None


@dataclass(eq=False, slots=True)
class Slotted:
    label: Any = None
    other: Any = None


@dataclass(frozen=True)
class Frozen:
    label: Any
    other: Any = None


@dataclass
class Tree(EmergeFile):
    top: Any = None
    more: Any = None


CLASSES = {kind.__name__: kind for kind in (Pair, Node, Slotted, Frozen, Tree)}


def bundle_of(cls: type) -> str:
    return f"bundle-{cls.__name__}"


def class_of(bundle: str, name: str) -> type:
    return CLASSES[name]


def again(value: Any) -> Any:
    """The value as a reader has it, after a reader without its classes wrote it anew."""
    tree = Tree(top=value)
    data = pack_state(tree, bundle_of)
    assert encode(decode(data)) == data
    bundles_in(data), references_in(data), native(decode(data))
    return unpack_state(data, Tree, class_of).top


LEAVES = st.sampled_from(
    [
        *(None, 1, 2.5, "text", b"bytes", Decimal("1.50"), Fraction(2, 3), range(3), PurePosixPath("/a"), ...),
        *(datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Rome")), frozenset({1}), (1, 2)),
    ]
)
MAKERS: list[Any] = [list, dict, set, deque, Counter, OrderedDict, SimpleNamespace, Node, Slotted, bytearray]
MAKERS += [lambda: defaultdict(list), lambda: deque(maxlen=3), lambda: array("d", [1.5])]


@st.composite
def graphs(draw: st.DrawFn) -> Any:
    """Some containers, each then filled with leaves, tuples and any of the containers."""
    made = [make() for make in draw(st.lists(st.sampled_from(MAKERS), min_size=1, max_size=7))]
    some = st.sampled_from(made)
    held = st.one_of(LEAVES, some, some, st.tuples(some, LEAVES), st.builds(Pair, some, some))
    for each in made:
        items = draw(st.lists(held, max_size=4))
        if isinstance(each, (list, deque)):
            each.extend(items)
        elif isinstance(each, set):
            each.update(item for item in items if isinstance(item, (Node, Slotted, str, int)))
        elif isinstance(each, Counter):
            each.update({item: 1 for item in items if isinstance(item, (Node, Slotted, str, int))})
        elif isinstance(each, (dict, OrderedDict)):
            each.update(zip(draw(st.permutations(["a", 1, (2, 3), None])), items, strict=False))
        elif isinstance(each, (Node, Slotted, SimpleNamespace)):
            each.label, each.other = (*items, None, None)[:2]
            if isinstance(each, Node):
                each.links = items[2:]
    return made[0] if draw(st.booleans()) else made


def outline(value: Any) -> list[Any]:
    """What a value is made of, in the order of meeting, by numbers: equal for graphs of the same form only."""
    numbers: dict[int, int] = {}
    lines: list[Any] = []

    def number(held: Any) -> Any:
        if isinstance(held, tuple):
            return (type(held), *map(number, held))
        plain = type(held).__hash__ is not None and not isinstance(held, (Node, Slotted))
        return (type(held), repr(held)) if plain else visit(held)

    def visit(held: Any) -> Any:
        if id(held) in numbers:
            return numbers[id(held)]
        mine = numbers[id(held)] = len(numbers)
        line: list[Any] = [mine, type(held), getattr(held, "maxlen", None), getattr(held, "default_factory", None)]
        lines.append(line)
        if isinstance(held, (bytearray, array)):
            line.append(repr(held))
        elif isinstance(held, set):
            line.append(sorted(mark(item) for item in held))
        elif isinstance(held, dict):
            line += [(number(key), number(item)) for key, item in held.items()]
        elif isinstance(held, (list, deque)):
            line += [number(item) for item in held]
        else:
            names = held.__slots__ if isinstance(held, Slotted) else vars(held)
            line += [(name, number(getattr(held, name))) for name in names]
        return mine

    def mark(item: Any) -> str:
        """An item of a set, whose order means nothing."""
        return f"{type(item).__name__} {item.label!r:.0}" if isinstance(item, (Node, Slotted)) else repr(item)

    visit(value)
    return lines


per_example = settings(
    max_examples=examples(40), suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None
)


@per_example
@given(graphs())
def test_a_graph_comes_back(value: Any) -> None:
    assert outline(again(value)) == outline(value)


@per_example
@given(graphs())
def test_a_graph_can_be_shown(value: Any) -> None:
    data = encode(value, bundle_of=bundle_of)
    assert len(show(decode(data))) < 5_000_000 and len(str(plain(decode(data)))) < 5_000_000
    assert show(value).count("Node") == show(decode(data)).count("Node")


@per_example
@given(graphs(), st.data())
def test_changed_bytes_of_a_graph(value: Any, draw: st.DataObject) -> None:
    data = bytearray(encode(value, bundle_of=bundle_of))
    for _ in range(draw.draw(st.integers(1, 3))):
        data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    try:
        changed = decode(bytes(data))
    except EmergeError:
        return
    show(changed), plain(changed), native(changed), references_in(encode(changed))
    assert show(decode(encode(changed))) == show(changed)
    try:
        unpack_state(encode({"top": changed}), Tree, class_of)
    except EmergeError:
        pass


def test_one_object_in_two_fields_is_one() -> None:
    cells = [Node(1), Node(2)]
    tree = unpack_state(pack_state(Tree(top=cells, more=cells[0]), bundle_of), Tree, class_of)
    assert tree.more is tree.top[0] and tree.more is not tree.top[1]


def test_what_shares_nothing_has_the_bytes_that_it_had() -> None:
    assert encode({"a": [1, [2]], "b": {"c": (3,)}}).hex() == "82a16192019102a16281a163d5029103"


def test_a_part_leads_back_to_the_object_itself() -> None:
    tree = Tree(name="t")
    tree.top = [Node("child", other=tree), tree]
    data = pack_state(tree, bundle_of)
    read = unpack_state(data, Tree, class_of)
    assert read.top[0].other is read and read.top[1] is read
    assert plain(decode(data))["top"][1] == {"$ref": ""}  # type: ignore[call-overload,index]


def test_a_ring_longer_than_the_depth_limit() -> None:
    ring = [Node(number) for number in range(500)]
    for one, next in zip(ring, [*ring[1:], ring[0]], strict=True):
        one.other = next
    found = again(ring[0])
    for number in range(500):
        assert found.label == number
        found = found.other
    assert found.label == 0


def test_sets_and_maps_of_what_leads_back_to_them() -> None:
    node = Node("n")
    node.links = [{node}, {node: {node}}]
    read = again(node)
    assert read in read.links[0] and read in read.links[1][read]


@dataclass(unsafe_hash=True)
class Named:
    """Hashed by a field that is not the first to be read."""

    links: list[Any] = field(default_factory=list, compare=False)
    name: str = "unnamed"


CLASSES["Named"] = Named


def test_the_hash_of_what_is_within_a_set_counts_all_its_fields() -> None:
    one, two = Named(name="one"), Named(name="two")
    one.links = [{one, two}, two]
    two.links = [frozenset({Named(name="three")}), one]
    read = again([one, two, frozenset({one.links[1].name, Frozen(1)})])
    assert {each.name for each in read[0].links[0]} == {"one", "two"}
    assert read[0] in read[0].links[0] and read[1] in read[0].links[0]
    chosen = Frozen("x", 2)
    kept = again([frozenset({chosen}), chosen, [chosen]])
    assert kept[1] in kept[0] and next(iter(kept[0])) is kept[1] is kept[2][0]


def test_a_frozenset_that_leads_back_is_refused() -> None:
    node = Node("n")
    node.other = frozenset({node})
    with pytest.raises(CannotShip, match="a frozenset that leads back"):
        pack_state(Tree(top=node), bundle_of)


def test_what_only_its_class_tells_apart_is_not_lost_by_others() -> None:
    data = pack_state(Tree(top={Node(1), Node(1)}), bundle_of)
    assert len(unpack_state(data, Tree, class_of).top) == 2
    with pytest.raises(Invalid, match="only their class can tell apart"):
        decode(data)


def test_the_place_of_what_cannot_be_stored_within_shared_parts() -> None:
    part = Node("p", [1, {"handle": object()}])
    with pytest.raises(CannotShip, match=r"field 'top\[0\].links\[1\].handle' holds a object"):
        pack_state(Tree(top=[part, part]), bundle_of)


@pytest.mark.parametrize("make", [lambda held: [held, held], lambda held: {"a": held, "b": held}])
def test_bytes_that_would_be_endless_when_written_out(make: Any) -> None:
    value = [1]
    for _ in range(60):
        value = make(value)
    data = encode(value)
    assert len(data) < 2000
    read = decode(data)
    assert encode(read) == data and len(show(read)) < 1_000_000 and len(str(plain(read))) < 1_000_000
    records: Any = Record("A", "", {})
    for _ in range(60):
        records = Record("A", "", {"one": records, "two": records})
    one, other = decode(encode(records)), decode(encode(records))
    assert one == other and hash(one) == hash(other) and len(show(one)) < 1_000_000


def test_records_in_a_cycle_are_compared() -> None:
    def ring(label: int) -> Any:
        first, second = Record("A", "", {"n": 1}), Record("A", "", {"n": label})
        first.fields["next"], second.fields["next"] = second, first
        return first

    assert ring(2) == ring(2) and ring(2) != ring(3)
    with pytest.raises(Invalid):
        read_literal("[...]")
