"""Values of NumPy, pandas, attrs and pydantic: with their types where these are, as data where they are not."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import attrs
import numpy as np
import pandas as pd
import pytest

from emerge_wasm import EmergeFile
from emerge_wasm.codec import Record, decode, encode, native, pack_state, plain, show, unpack_state
from emerge_wasm.errors import CannotShip, Invalid

DTYPE = np.dtype([("a", "i4"), ("b", "f8", (2, 2)), ("c", [("x", "S3"), ("y", "M8[s]")])], align=True)
SCALARS: list[Any] = [
    *(np.float64(1.5), np.float16(2), np.int64(3), np.int8(-1), np.uint64(2**64 - 1), np.bool_(True), np.complex64(1j)),
    *(np.str_("äb"), np.str_(""), np.bytes_(b"x\0"), np.datetime64("2024-01-01"), np.timedelta64(3, "ms")),
    *(pd.Timestamp("2024-01-01 00:00:00.123456789"), pd.Timestamp("2024", tz="Europe/Rome"), pd.Timedelta("3D")),
    pd.Timestamp("2024-10-27 02:30").tz_localize("Europe/Rome", ambiguous=False),
]
ARRAYS = [
    *(np.arange(12).reshape(3, 4), np.arange(12.0).reshape(3, 4).T, np.zeros((0, 3)), np.array(5), np.arange(10)[::2]),
    *(np.zeros(3, DTYPE), np.array(["a", "bcd"]), np.arange(3, dtype=">i2"), np.array([True, False])),
    *(np.array(["2024-01-01", "NaT"], "M8[D]"), np.array(["2024-01-01"], "M8[ns]"), np.array([b"a"]), np.array([""])),
]
FRAME = pd.DataFrame(
    {
        "whole": [1, 2, 3],
        "float": [1.0, None, 3.0],
        "text": ["a", None, "c"],
        "object": pd.Series([1, "x", None], dtype=object),
        "category": pd.Categorical(["a", "b", "a"], ordered=True),
        "day": pd.date_range("2024-01-01", periods=3),
        "zoned": pd.date_range("2024-01-01", periods=3, tz="Europe/Rome"),
        "nullable": pd.array([1, None, 3], dtype="Int64"),
        "flag": pd.array([True, None, False], dtype="boolean"),
        "string": pd.array(["a", None, "b"], dtype="string"),
        "span": pd.to_timedelta([1, 2, 3], unit="s"),
    }
)
TABLES: list[Any] = [
    *(FRAME, FRAME.set_index(["whole", "text"]), FRAME.set_index("zoned"), FRAME[["whole", "float"]].T, pd.DataFrame()),
    *(
        pd.DataFrame([[1, 2]], columns=["a", "a"]),
        FRAME["float"],
        pd.Series([], dtype=float),
        pd.Series({"a": 1}, name=3),
    ),
    *(pd.Index([1, 2]), pd.RangeIndex(3, name="r"), pd.date_range("2024", periods=3, freq="MS", tz="UTC", name="q")),
    *(pd.CategoricalIndex(["a"]), pd.MultiIndex.from_product([[1, 2], ["a"]], names=["x", None])),
    *(pd.Index([1, "a"], dtype=object), pd.timedelta_range("1D", periods=3)),
]


@dataclass
class Holder(EmergeFile):
    held: Any = None
    more: Any = None


def again(value: Any, classes: dict[str, type] | None = None) -> Any:
    """The value as a reader has it, after a reader without its package wrote it anew."""
    data = pack_state(Holder(held=value), lambda cls: cls.__name__)
    assert encode(decode(data)) == data
    json.dumps(plain(decode(data)), allow_nan=False)
    assert show(decode(data)["held"]) == show(value)
    return unpack_state(data, Holder, lambda bundle, name: (classes or {})[name]).held


@pytest.mark.parametrize("value", SCALARS, ids=repr)
def test_a_scalar_comes_back(value: Any) -> None:
    read = again(value)
    assert read == value and type(read) is type(value) and repr(read) == repr(value)
    assert type(native(decode(encode({"a": [value]})))["a"][0]) is type(value)


@pytest.mark.parametrize("value", ARRAYS, ids=lambda value: f"{value.dtype}{value.shape}")
def test_an_array_comes_back(value: Any) -> None:
    read = again(value)
    assert (read.dtype, read.shape, read.tobytes()) == (value.dtype, value.shape, value.tobytes())
    assert read.flags.writeable and (read.strides == value.strides or not value.flags.forc)


@pytest.mark.parametrize("value", TABLES, ids=lambda value: f"{type(value).__name__}{value.shape}")
def test_a_table_comes_back(value: Any) -> None:
    read = again(value)
    kind = "frame" if isinstance(value, pd.DataFrame) else "series" if isinstance(value, pd.Series) else "index"
    exact: dict[str, Any] = {"exact": True} if kind == "index" else {"check_freq": True}
    getattr(pd.testing, f"assert_{kind}_equal")(read, value, **exact)
    assert getattr(read, "freq", None) == getattr(value, "freq", None)


def test_what_is_missing_is_the_same_object() -> None:
    assert again(pd.NaT) is pd.NaT and again(pd.NA) is pd.NA


def test_one_array_in_two_fields_is_one() -> None:
    table = np.arange(3)
    data = pack_state(Holder(held=[table], more=table), lambda cls: cls.__name__)
    read = unpack_state(data, Holder, lambda bundle, name: Holder)
    assert read.held[0] is read.more and native(decode(data))["more"] is not table


@pytest.mark.parametrize(
    "value",
    [
        *(np.array([object()]), np.ma.array([1]), np.rec.array([(1, 2)]), pd.Period("2024")),
        *(pd.Series([pd.Interval(0, 1)]), pd.Series([[1]]), pd.Series(pd.arrays.SparseArray([1]))),
        pd.PeriodIndex(["2024"], freq="D"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_not_supported_is_refused_by_name(value: Any) -> None:
    with pytest.raises(CannotShip, match=r"field 'held' holds a (numpy|pandas).* which cannot be stored"):
        pack_state(Holder(held=value), lambda cls: cls.__name__)


@pytest.mark.parametrize(
    "fields",
    [
        {"dtype": "O", "shape": [1], "order": "C", "data": b"\0" * 8},
        {"dtype": {"names": ["a"], "formats": ["O"], "offsets": [0], "itemsize": 8, "aligned": False}, "data": b""},
        {"dtype": "<f8", "shape": [2], "order": "C", "data": b"\0" * 8},
        {"dtype": "<f8", "shape": [-1], "order": "C", "data": b""},
        {"dtype": "<U0", "shape": [1 << 40], "order": "C", "data": b""},
        {"dtype": "print", "shape": [], "order": "C", "data": b""},
        {},
    ],
)
def test_bytes_that_are_no_array(fields: dict[str, Any]) -> None:
    record = decode(encode(Record("numpy.ndarray", "", fields)))
    show(record), plain(record)
    with pytest.raises(Invalid):
        native(record)


def test_arrays_and_tables_as_json_data_and_text() -> None:
    assert plain(np.arange(6).reshape(2, 3)) == {
        **{"$class": "numpy.ndarray", "dtype": "<i8", "shape": [2, 3]},
        "data": [[0, 1, 2], [3, 4, 5]],
    }
    assert plain(np.asfortranarray([[1.5, 2.5]]))["data"] == [[1.5, 2.5]]  # type: ignore[call-overload,index]
    assert plain(np.float64(2.5)) == 2.5
    assert show(np.arange(20)) == f"numpy.ndarray([{', '.join(map(str, range(10)))}, …], dtype='<i8', shape=[20])"
    table = pd.DataFrame({"a": [1, 2], "b": ["x", None]}, index=["p", "q"])
    assert show(table) == "pandas.DataFrame({'a': [1, 2], 'b': ['x', None]})"
    assert plain(table) == {
        **{"$class": "pandas.DataFrame", "index": ["p", "q"]},
        "columns": {"a": [1, 2], "b": ["x", None]},
    }


WITHOUT = """
import sys
sys.modules["numpy"] = sys.modules["pandas"] = None
from dataclasses import dataclass
from emerge_wasm import EmergeFile
from emerge_wasm.codec import decode, native, pack_state, show, unpack_state
@dataclass
class Holder(EmergeFile): pass
data = bytes.fromhex(sys.argv[1])
read = unpack_state(data, Holder, lambda bundle, name: Holder)
print(show(read.held), pack_state(read, str) == data, native(decode(data))["held"] == read.held)
try:
    read.held.sum()
except AttributeError as error:
    print(error)
"""


def test_where_the_package_is_not_a_value_is_data_and_is_written_back() -> None:
    """No other package is imported for it either."""
    data = pack_state(Holder(held=np.array([1, 2])), lambda cls: "")
    done = subprocess.run([sys.executable, "-c", WITHOUT, data.hex()], capture_output=True, text=True)
    assert done.stdout.splitlines() == [
        "numpy.ndarray([1, 2], dtype='<i8', shape=[2]) True True",
        "a Record has no attribute 'sum': numpy is not here, so a numpy.ndarray is only its data",
    ], done.stderr


@attrs.define
class Leg:
    length: int = attrs.field(validator=attrs.validators.gt(0))
    parts: list[Any] = attrs.field(factory=list)
    name: str = "leg"


@attrs.frozen
class Fixed:
    x: int = 1


def test_attrs_classes_by_their_fields() -> None:
    leg = Leg(1, [2])
    leg.parts.append(leg)
    with attrs.validators.disabled():
        leg.length = -1  # reading runs no validator
    read = again([leg, Fixed(3), leg], {"Leg": Leg, "Fixed": Fixed})
    assert read[0] is read[2] is read[0].parts[1] and (read[0].length, read[1]) == (-1, Fixed(3))
    old = unpack_state(encode({"held": Record("Leg", "h", {"length": 2})}), Holder, lambda bundle, name: Leg).held
    assert old == Leg(2)


def test_pydantic_models_by_their_fields() -> None:
    pydantic = pytest.importorskip("pydantic", reason="pydantic is not among what the tests install")

    class Model(pydantic.BaseModel):  # type: ignore[name-defined,misc]
        model_config = {"extra": "allow"}  # noqa: RUF012
        name: str
        size: int = pydantic.Field(default=3, ge=0)
        tags: list[str] = pydantic.Field(default_factory=list)
        _secret: int = pydantic.PrivateAttr(default=7)

        @pydantic.field_validator("name")
        @classmethod
        def upper(cls, value: str) -> str:
            return value.upper()

    model = Model(name="n", more=1)
    model._secret, model.size = 11, -1
    read = again(model, {"Model": Model})
    assert read == model and (read._secret, read.more, read.size) == (11, 1, -1)
    assert read.model_fields_set == {"name", "more", "size"}
    assert show(model).startswith("Model(name='N', size=-1, tags=[], __pydantic_extra__={'more': 1}")
