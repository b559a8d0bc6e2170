"""Many states of one class are read as each of them by itself, whatever the class and the bytes are."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emerge_wasm import EmergeFile, EmergeObject
from emerge_wasm.clients.class_loader import set_metadata
from emerge_wasm.codec import StateReader, encode, pack_state, unpack_state
from emerge_wasm.codec.state import UnusualState
from emerge_wasm.codec.value import Ext
from emerge_wasm.errors import EmergeError, NotFound
from emerge_wasm.objects import METADATA
from tests.scale import examples

from .test_codec_bytes import ext
from .test_codec_values import TEXT, VALUES


@dataclass
class Part:
    label: Any = None
    whole: Any = None


@dataclass
class Thing(EmergeFile):
    parts: list[Any] = field(default_factory=list)
    first: Any = None


@dataclass(kw_only=True)
class Needing(EmergeFile):
    parts: Any
    first: Any


@dataclass
class Told(Thing):
    """One that refuses what is set, and whose owner is no field."""

    def __setattr__(self, name: str, value: object) -> None:
        raise AssertionError(name)


class Slotted(Thing):
    __slots__ = ("extra",)


class Deriving(Thing):
    """Its date is its own."""

    @property
    def date(self) -> str:  # type: ignore[override]
        return str(vars(self)["_date"])

    @date.setter
    def date(self, value: str) -> None:
        vars(self)["_date"] = f"<{value}>"


class Inheriting(Deriving):
    """So is its."""


class Plain(Deriving):
    """Its date is as usual again."""

    date = ""


class Meta(type):
    """Its classes have a name of their own, which their instances do not see."""

    @property
    def name(cls) -> str:
        return "a class"

    @name.setter
    def name(cls, value: str) -> None:
        raise AssertionError(value)


class Made(Thing, metaclass=Meta):
    pass


USUAL = [EmergeFile, Thing, Needing, Told]
CLASSES = [*USUAL, Slotted, Deriving, Inheriting, Plain, Made]
NAMES = ["id", "data", "parts", "first", "extra", "more"]
WIRE = {name: f"the {name}" for name in METADATA} | {"version": 7, "size": 3, "bundle": "b", "revision": "r"}
several = settings(
    max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)


def class_of(bundle: str, name: str) -> type:
    if name != "Part":
        raise NotFound(f"there is no {name[:9]}")
    return Part


def one_by_one(cls: type, data: bytes) -> Any:
    """The instance, or the kind of the error and its text."""
    try:
        obj = unpack_state(data, cls, class_of)
    except EmergeError as error:
        return type(error), str(error)
    set_metadata(obj, [WIRE[name] for name in METADATA])
    return obj


def in_row(reader: StateReader, cls: type, data: bytes) -> Any:
    try:
        return reader.read(data, WIRE)
    except Exception:
        return one_by_one(cls, data)


def held(obj: Any) -> Any:
    """All that an instance holds, in its order, and what in it is one and the same."""
    if not isinstance(obj, EmergeObject):
        return obj
    slots = [(name, getattr(obj, name)) for name in ("extra",) if isinstance(obj, Slotted) and hasattr(obj, name)]
    state = encode([*vars(obj).items(), *slots], bundle_of=lambda cls: cls.__name__, root=obj)
    return type(obj), list(vars(obj)), state


SIMPLE = st.recursive(
    st.none() | st.integers() | TEXT | st.binary(max_size=20) | st.dates() | st.decimals(allow_nan=False) | st.uuids(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4) | st.tuples(inner),
    max_leaves=8,
)
STATES = st.dictionaries(
    st.sampled_from(NAMES) | st.sampled_from(METADATA) | TEXT,
    VALUES,
    max_size=6,
)
WHOLE = st.fixed_dictionaries(dict.fromkeys(("id", "data", "parts", "first"), VALUES))
BYTES = (
    (WHOLE | STATES | st.tuples(WHOLE, STATES).map(lambda both: {**both[0], **both[1]})).map(encode)
    | st.lists(st.sampled_from(NAMES), max_size=6).map(encode)
    | st.tuples(WHOLE.map(encode), st.binary(max_size=3)).map(b"".join)
    | st.tuples(WHOLE.map(encode), st.integers(0, 40)).map(lambda cut: cut[0][: -cut[1]])
    | VALUES.map(encode)
    | st.binary(max_size=40)
    | st.just(ext(Ext.STANDARD, b"\x92\xabOrderedDict\x98" + b"".join(map(encode, ["id", 1, "data", 1, "parts", 1]))))
)


@several
@given(st.sampled_from(CLASSES), st.lists(BYTES, min_size=1, max_size=8))
def test_a_row_of_states_is_read_as_each_by_itself(engine: str, cls: type, states: list[bytes]) -> None:
    reader = StateReader(cls, class_of)
    for data in [*states, *states]:  # what was met before is met again
        assert held(in_row(reader, cls, data)) == held(one_by_one(cls, data))


@several
@given(st.sampled_from(USUAL), SIMPLE, SIMPLE, st.booleans())
def test_usual_states_are_read_at_once(cls: type, one: Any, other: Any, ring: bool) -> None:
    """With what is shared in them, and what leads back."""
    obj = unpack_state(encode({"parts": [], "first": None}), cls, class_of)
    vars(obj).update(id="i", data=one, parts=[other, one], first=Part(1, obj) if ring else obj)
    data = pack_state(obj, lambda kind: "b")
    read = StateReader(cls, class_of).read(data, WIRE)
    assert held(read) == held(one_by_one(cls, data))
    first = vars(read)["first"]
    assert (first.whole if ring else first) is read


def test_what_a_reader_leaves_to_others() -> None:
    whole = {"id": "", "data": 1, "parts": [], "first": None}
    cases: list[tuple[type, Any]] = [(Slotted, whole), (Deriving, whole), (Thing, {"id": ""}), (Thing, [*whole])]
    cases += [(Thing, {**whole, name: "x"}) for name in METADATA]
    cases += [(Thing, {**whole, "data": bytes(StateReader.LARGEST)})]
    for cls, state in cases:
        with pytest.raises(UnusualState):
            StateReader(cls, class_of).read(encode(state), WIRE)
    assert {each.name for each in fields(EmergeObject)} == {*METADATA, "id"}
