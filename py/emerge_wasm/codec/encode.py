"""Encode values as bytes: those that share nothing as they are, others as a graph."""

from __future__ import annotations

from ..errors import LimitExceeded
from .cost import check_cost
from .encoder import PLAIN, BundleOf, Encoder, MetTwice, Refusal
from .graph import lower_graph
from .msgpack_engine import engine
from .value import SIZE_LIMIT, too_large

_NO_PACK = (OverflowError, UnicodeEncodeError)  # an integer beyond 64 bit, a lone surrogate


def encode(value: object, *, bundle_of: BundleOf | None = None, limit: int = SIZE_LIMIT, root: object = None) -> bytes:
    """Encode a value in at most `limit` bytes.

    `bundle_of` gives the bundle hash of a nested instance's class; without it such instances are refused. `root` is
    the object whose state the value is: where the state leads back to it, it is not written again.

    Raises:
        CannotShip, Invalid: a value cannot be written; `details["field"]` names its place.
        LimitExceeded: the value is too large, too deep, or too many values (see `cost.py`).
    """
    try:
        try:
            data = engine.packb(value if _is_flat(value) else _lower(value, Encoder(bundle_of, root=root)))
        except _NO_PACK:
            data = engine.packb(_lower(value, Encoder(bundle_of, careful=True, root=root)))
    except Refusal as refusal:
        raise refusal.error() from None
    except RecursionError:
        raise LimitExceeded("the value is nested too deep for this stack", limit="depth") from None
    if len(data) > limit:
        raise too_large(f"the value has {len(data)} bytes", limit)
    check_cost(data)
    return data


def _is_flat(value: object) -> bool:
    """Whether this is a plain value, or a list of those or a map of names to them, which msgpack writes as it is."""
    if type(value) in PLAIN:
        return True
    if type(value) is list:
        return PLAIN.issuperset(map(type, value))
    return type(value) is dict and {str}.issuperset(map(type, value)) and PLAIN.issuperset(map(type, value.values()))


def _lower(value: object, encoder: Encoder) -> object:
    try:
        return encoder.lower(value)
    except MetTwice:
        return lower_graph(value, encoder)
    except Refusal as refusal:
        if not refusal.deep:
            raise
        return lower_graph(value, encoder)
