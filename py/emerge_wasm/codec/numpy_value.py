"""NumPy's arrays and scalars as fields: dtype, shape, order and bytes. Imported only where NumPy is."""

from __future__ import annotations

from importlib import import_module
from math import prod

from ..errors import Invalid
from .value import Fields, Value

np = import_module("numpy")

_KINDS = "biufcSUMmV"
"""Kinds of dtypes whose items are their bytes."""
_TEXTS: dict[type, type] = {np.str_: str, np.bytes_: bytes}


def take_apart(value: Value) -> tuple[str, dict[str, object]]:
    """Return the name and fields of an array or a scalar. Raises ValueError for those of other kinds."""
    kind = type(value)
    if kind in _TEXTS:
        return f"numpy.{kind.__name__}", {"value": _TEXTS[kind](value)}
    if isinstance(value, np.generic):
        return f"numpy.{kind.__name__}", {"dtype": _write(value.dtype), "data": value.tobytes()}
    if kind is np.dtype or isinstance(value, np.dtype):
        return "numpy.dtype", {"dtype": _write(value)}
    if kind is not np.ndarray:
        raise ValueError(f"holds a numpy {kind.__name__}, which cannot be stored")
    order = "F" if value.flags.f_contiguous and not value.flags.c_contiguous else "C"
    fields = {"dtype": _write(value.dtype), "shape": [*value.shape], "order": order}
    return "numpy.ndarray", {**fields, "data": value.tobytes(order)}


def put_together(name: str, fields: Fields) -> object:
    """Return the array, scalar or dtype of these fields."""
    for kind in _TEXTS:
        if name == f"numpy.{kind.__name__}":
            return kind(fields["value"])
    dtype = _read(fields["dtype"])
    if name == "numpy.dtype":
        return dtype
    if name == "numpy.ndarray":
        return _array(dtype, fields["shape"], fields["order"], fields["data"])
    found = _array(dtype, [], "C", fields["data"])[()]
    if f"numpy.{type(found).__name__}" != name and not np.issubdtype(dtype, np.integer):
        raise Invalid(f"a {name} is not a {type(found).__name__}")
    return found


def _array(dtype: Value, shape: list[int], order: str, data: bytes) -> Value:
    if prod(shape) * dtype.itemsize != len(data) or (not dtype.itemsize and prod(shape) > 1 << 20):
        raise Invalid(f"an array of {shape} {dtype} does not have {len(data)} bytes")
    return np.ndarray(shape, dtype, bytearray(data) if data else None, order=order)


def _write(dtype: Value) -> object:
    """Describe a dtype: its text; [dtype, shape] of a subarray; a map of a structure."""
    if dtype.hasobject or dtype.kind not in _KINDS:
        raise ValueError(f"holds a numpy array of dtype {dtype}, which cannot be stored")
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return [_write(base), [*shape]]
    if dtype.names is None:
        return str(dtype.str)
    rows = [dtype.fields[name] for name in dtype.names]
    if any(len(row) > 2 for row in rows):
        raise ValueError(f"holds a numpy array whose dtype {dtype} has titles, which cannot be stored")
    return {
        "names": [*dtype.names],
        "formats": [_write(row[0]) for row in rows],
        "offsets": [row[1] for row in rows],
        "itemsize": dtype.itemsize,
        "aligned": bool(dtype.isalignedstruct),
    }


def _read(written: Value) -> Value:
    if isinstance(written, str):
        dtype = np.dtype(written)
    elif isinstance(written, list):
        base, shape = written
        dtype = np.dtype((_read(base), tuple(shape)))
    else:
        dtype = np.dtype({**written, "formats": [_read(each) for each in written["formats"]]})
    if dtype.hasobject or dtype.kind not in _KINDS:
        raise Invalid(f"an array of dtype {dtype} cannot be read")
    return dtype
