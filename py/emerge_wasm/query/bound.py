"""Operators on plain values that cannot take long or make much; what would raises NeedsCode, and a sandbox runs it.

Plain values are of the codec's exact types, so that Python's own operators run nobody's code on them; a `Nested` one
refuses by itself.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sized
from decimal import Decimal
from typing import Any, TypeVar

from .nested import NeedsCode, Nested
from .row import FOLD_LIMIT

BITS = 1 << 14
"""Bits of an integer that arithmetic takes or makes."""
LENGTH = 1 << 17
"""Length of a text or sequence that arithmetic or a method makes."""
WALK = 1 << 14
"""Items that a function visits."""
HASHED = 1 << 10
"""Items that a set is made of: numbers can be chosen so that all of them have the same hash."""
TEXT = 1 << 18
"""Characters or bytes of a text that a method searches."""
WORK = 1 << 22
"""Characters times characters that a method of text may have to compare."""

T = TypeVar("T")
Operate = Callable[[Any, Any], object]
_SIZED = (str, bytes, list, tuple, dict, set, frozenset)
_NUMBERS = frozenset({int, float, bool})
_HASHED = (set, frozenset, dict)
_TEXT = (str, bytes)
_SCALARS = frozenset({type(None), bool, int, float, str, bytes})


def _too_much() -> NeedsCode:
    return NeedsCode("it makes more than is made outside a sandbox")


def _check_numbers(left: object, right: object) -> None:
    for value in (left, right):
        if type(value) is int and value.bit_length() > BITS:
            raise _too_much()


def _add(left: Any, right: Any) -> object:
    if type(left) in _NUMBERS:
        return left + right
    if isinstance(left, _SIZED) and isinstance(right, _SIZED) and len(left) + len(right) > LENGTH:
        raise _too_much()
    return left + right


def _multiply(left: Any, right: Any) -> object:
    if type(left) is float or type(right) is float:
        return left * right
    _check_numbers(left, right)
    for value, times in ((left, right), (right, left)):
        if isinstance(value, _SIZED) and isinstance(times, int) and _weight(value) * times > LENGTH:
            raise _too_much()
    return left * right


def _weight(value: Sized) -> int:
    """Return the length that repeating multiplies: that of the texts in a list too.

    A list that holds containers weighs more than may be made, because repeating it again and again grows without end.
    """
    if not isinstance(value, list | tuple):
        return len(value)
    if len(value) > WALK or not _SCALARS.issuperset(map(type, value)):
        return LENGTH + 1
    return sum(len(item) if type(item) in _TEXT else 1 for item in value)


def _modulo(left: Any, right: Any) -> object:
    if isinstance(left, _TEXT):
        raise NeedsCode("% formats text, which is not done outside a sandbox")
    _check_numbers(left, right)
    return left % right


def _power(left: Any, right: Any) -> object:
    if isinstance(left, Decimal) or isinstance(right, Decimal):
        raise _too_much()
    _check_numbers(left, right)
    if isinstance(left, int) and isinstance(right, int) and left.bit_length() * abs(right) > BITS:
        raise _too_much()
    return left**right


def _shift(left: Any, right: Any) -> object:
    if isinstance(left, int) and isinstance(right, int) and left.bit_length() + right > BITS:
        raise _too_much()
    return left << right


def _within(operate: Operate) -> Operate:
    def checked(left: Any, right: Any) -> object:
        if type(left) is float or type(right) is float:
            return operate(left, right)
        _check_numbers(left, right)
        if type(left) in _HASHED:
            walked(left), walked(right)
        return operate(left, right)

    return checked


def contains(left: object, right: Any) -> bool:
    """Return `left in right`."""
    kind = type(right)
    if kind is str and type(left) is str:
        if len(left) > 1 and len(right) > FOLD_LIMIT:
            check_search(right, len(left))
        return left in right
    if kind in (list, tuple):
        if len(right) > WALK * 4:
            raise _too_much()
    elif kind is range:
        if type(left) not in (int, bool):
            walked(right)
    elif isinstance(left, Nested) and kind in _TEXT:
        raise NeedsCode(f"whether {left.class_name} is text is up to its class")
    return left in right


def excludes(left: object, right: object) -> bool:
    """Return `left not in right`."""
    return not contains(left, right)


def check_search(text: str | bytes, length: int) -> None:
    """Raise NeedsCode when searching for a text of `length` characters in this one could take long."""
    if len(text) > TEXT or len(text) * min(length, 128) > WORK:  # longer ones are searched for in another way
        raise _too_much()


def shown(value: T) -> T:
    """Return a value that is about to be written as text. Raises NeedsCode for more than LENGTH with all in it."""
    if type(value) is str:
        return value
    left: int = LENGTH
    ahead: list[object] = [value]
    while ahead and left >= 0:
        one = ahead.pop()
        left -= 1 + (len(one) if isinstance(one, _SIZED) else 0)
        if isinstance(one, list | tuple | set | frozenset) and left >= 0:
            ahead += one
        elif isinstance(one, dict) and left >= 0:
            ahead += [*one.keys(), *one.values()]
    if left < 0:
        raise _too_much()
    return value


def walked(items: T) -> T:
    """Return items that a function is about to visit. Raises NeedsCode for more than WALK of them."""
    try:
        if isinstance(items, Sized) and len(items) > WALK:
            raise _too_much()
    except OverflowError:  # a range of more than can be counted
        raise _too_much() from None
    return items


BINARY: dict[str, Operate] = {
    "Add": _add,
    "Sub": _within(operator.sub),
    "Mult": _multiply,
    "Div": _within(operator.truediv),
    "FloorDiv": _within(operator.floordiv),
    "Mod": _modulo,
    "Pow": _power,
    "LShift": _shift,
    "RShift": operator.rshift,
    "BitAnd": _within(operator.and_),
    "BitOr": _within(operator.or_),
    "BitXor": _within(operator.xor),
}
COMPARE: dict[str, Operate] = {
    "Eq": operator.eq,
    "NotEq": operator.ne,
    "Lt": operator.lt,
    "LtE": operator.le,
    "Gt": operator.gt,
    "GtE": operator.ge,
    "In": contains,
    "NotIn": excludes,
    "Is": operator.is_,
    "IsNot": operator.is_not,
}
UNARY: dict[str, Callable[[Any], object]] = {
    "Not": operator.not_,
    "USub": operator.neg,
    "UAdd": operator.pos,
    "Invert": operator.invert,
}
