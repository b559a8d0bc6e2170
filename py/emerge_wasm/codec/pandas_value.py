"""pandas' frames, series, indexes and moments as fields: column by column. Imported only where pandas is.

A column is a map with its `kind`: numpy, list (of plain values), text, category, zoned or masked.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from importlib import import_module
from uuid import UUID

from ..errors import Invalid
from .value import Fields, Value
from .zone import key_of

np = import_module("numpy")
pd = import_module("pandas")


_SCALARS = frozenset(
    {type(None), bool, int, float, complex, str, bytes, Decimal, UUID, date, datetime, time, timedelta, tuple}
    | {type(pd.NaT), type(pd.NA), pd.Timestamp, pd.Timedelta}
)
"""Kinds of values in a column of Python objects."""


def take_apart(value: Value) -> tuple[str, Fields]:
    """Return the name and fields of a value. Raises ValueError for those that cannot be written."""
    name = f"pandas.{type(value).__qualname__}"
    write = _WRITE.get(type(value))
    if write is None:
        raise ValueError(f"holds a {name}, which cannot be stored")
    fields = write(value)
    if getattr(value, "attrs", None):
        fields["attrs"] = value.attrs
    return name, fields


def put_together(name: str, fields: Fields) -> object:
    """Return the value of these fields."""
    read = _READ.get(name)
    if read is None:
        raise Invalid(f"a {name} is not known", remedy="update this Emerge")
    attrs = fields.pop("attrs", None)
    value = read(**fields)
    if attrs:
        value.attrs = attrs
    return value


# --- columns
def _column(values: Value) -> Fields:
    """Describe the values of a series or an index."""
    dtype, array = values.dtype, values.array
    if isinstance(dtype, np.dtype):
        if dtype.kind != "O":
            return {"kind": "numpy", "values": np.asarray(values)}
        items = list(values)
        odd = next((item for item in items if type(item) not in _SCALARS), None)
        if odd is not None:
            raise ValueError(f"holds a pandas column with a {type(odd).__name__}, which cannot be stored")
        return {"kind": "list", "values": items}
    if isinstance(dtype, pd.CategoricalDtype):
        return {
            "kind": "category",
            "codes": np.asarray(array.codes),
            "categories": dtype.categories,
            "ordered": bool(dtype.ordered),
        }
    if isinstance(dtype, pd.DatetimeTZDtype):
        return {"kind": "zoned", "values": np.asarray(array.tz_convert(None)), "zone": _zone(dtype.tz)}
    if isinstance(dtype, pd.StringDtype):
        missing = "nan" if dtype.na_value is not pd.NA else "NA"
        texts = [None if item is pd.NA or item != item else str(item) for item in array]
        return {"kind": "text", "missing": missing, "storage": str(dtype.storage), "values": texts}
    if str(dtype) in _MASKED:
        mask = np.asarray(array.isna())
        return {
            "kind": "masked",
            "dtype": str(dtype),
            "values": array.to_numpy(_MASKED[str(dtype)], na_value=0),
            "mask": mask,
        }
    raise ValueError(f"holds a pandas column of dtype {dtype}, which cannot be stored")


_MASKED = {f"{sign}Int{bits}": f"{sign.lower()}int{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)} | {
    "Float32": "float32",
    "Float64": "float64",
    "boolean": "bool",
}


def _values(kind: str, **column: Value) -> Value:
    """Return what pandas makes a series or an index of."""
    match kind:
        case "numpy":
            return column["values"]
        case "list":
            return _objects(column["values"])
        case "category":
            dtype = pd.CategoricalDtype(column["categories"], column["ordered"])
            return pd.Categorical.from_codes(column["codes"], dtype=dtype)
        case "zoned":
            return pd.DatetimeIndex(column["values"]).tz_localize("UTC").tz_convert(column["zone"])
        case "text":
            missing = pd.NA if column["missing"] == "NA" else np.nan
            return pd.array(column["values"], dtype=_text_dtype(column["storage"], missing))
        case "masked":
            array = pd.array(column["values"], dtype=column["dtype"])
            array[column["mask"]] = pd.NA
            return array
    raise Invalid(f"a column of kind {kind[:40]} is not known", remedy="update this Emerge")


def _objects(items: list[object]) -> Value:
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


def _text_dtype(storage: str, missing: object) -> Value:
    try:
        return pd.StringDtype(storage, na_value=missing)
    except ImportError:  # pyarrow is not here
        return pd.StringDtype("python", na_value=missing)


def _zone(zone: Value) -> Value:
    """Return a zone that the codec writes."""
    offset = zone.utcoffset(None)
    if key_of(zone) is None and offset is None:
        raise ValueError(f"holds a pandas column in the zone {zone}, which cannot be stored")
    return zone


# --- kinds
def _write_series(value: Value) -> Fields:
    return {"index": value.index, "column": _column(value), "name": value.name}


def _read_series(index: Value, column: Fields, name: Value) -> Value:
    return pd.Series(_values(**column), index=index, name=name, copy=False)


def _write_frame(value: Value) -> Fields:
    columns = [_column(value.iloc[:, number]) for number in range(value.shape[1])]
    return {"columns": value.columns, "index": value.index, "data": columns}


def _read_frame(columns: Value, index: Value, data: list[Fields]) -> Value:
    frame = pd.DataFrame({number: _values(**column) for number, column in enumerate(data)}, index=index, copy=False)
    frame.columns = columns
    return frame


def _write_index(value: Value) -> Fields:
    return {"column": _column(value), "name": value.name}


def _read_index(column: Fields, name: Value) -> Value:
    return pd.Index(_values(**column), name=name, copy=False, dtype=object if column["kind"] == "list" else None)


def _write_moments(value: Value) -> Fields:
    return {**_write_index(value), "freq": value.freqstr}


def _read_moments(column: Fields, name: Value, freq: str | None) -> Value:
    index = _read_index(column, name)
    index.freq = freq
    return index


def _write_multi(value: Value) -> Fields:
    codes = [np.asarray(each) for each in value.codes]
    return {"levels": [*value.levels], "codes": codes, "names": [*value.names]}


_WRITE: dict[type, Value] = {
    pd.Series: _write_series,
    pd.DataFrame: _write_frame,
    pd.Index: _write_index,
    pd.CategoricalIndex: _write_index,
    pd.DatetimeIndex: _write_moments,
    pd.TimedeltaIndex: _write_moments,
    pd.RangeIndex: lambda value: {"range": range(value.start, value.stop, value.step), "name": value.name},
    pd.MultiIndex: _write_multi,
    pd.Timestamp: lambda value: {
        "value": int(value.asm8.view("i8")),
        "unit": value.unit,
        "zone": None if value.tz is None else _zone(value.tz),
    },
    pd.Timedelta: lambda value: {"value": int(value.asm8.view("i8")), "unit": value.unit},
    type(pd.NaT): lambda value: {},
    type(pd.NA): lambda value: {},
}
_READ: Fields = {
    "pandas.Series": _read_series,
    "pandas.DataFrame": _read_frame,
    "pandas.Index": _read_index,
    "pandas.CategoricalIndex": _read_index,
    "pandas.DatetimeIndex": _read_moments,
    "pandas.TimedeltaIndex": _read_moments,
    "pandas.RangeIndex": lambda range, name: pd.RangeIndex(range, name=name),
    "pandas.MultiIndex": lambda levels, codes, names: pd.MultiIndex(levels, codes, names=names),
    "pandas.Timestamp": lambda value, unit, zone: _timestamp(value, unit, zone),
    "pandas.Timedelta": lambda value, unit: pd.Timedelta(np.timedelta64(value, unit)),
    "pandas.NaTType": lambda: pd.NaT,
    "pandas.NAType": lambda: pd.NA,
}


def _timestamp(value: int, unit: str, zone: Value) -> Value:
    found = pd.Timestamp(np.datetime64(value, unit))
    return found if zone is None else found.tz_localize("UTC").tz_convert(zone)
