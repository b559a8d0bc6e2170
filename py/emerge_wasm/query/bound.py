"""Operators on plain values that cannot take long or make much: what would, asks for code (and so for a sandbox).

Plain values are of the codec's exact types, so that Python's own operators run no code of anybody's on them; a
`Nested` one refuses by itself.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sized
from decimal import Decimal
from typing import Any

from .nested import NeedsCode, Nested
from .step import KEPT

BITS = 1 << 14
"""Of an integer that arithmetic takes or makes."""
LENGTH = 1 << 17
"""Of a text or sequence that arithmetic or a method makes."""
WALK = 1 << 14
"""Items that a function goes through."""
HASHED = 1 << 10
"""Items that a set is made of: numbers can be chosen so that all of them have the same place in it."""
TEXT = 1 << 18
"""Characters or bytes of a text that a method looks through."""
WORK = 1 << 22
"""Characters times characters that a method of text may have to compare."""

Operate = Callable[[Any, Any], Any]
_SIZED = (str, bytes, list, tuple, dict, set, frozenset)
_NUMBERS = frozenset({int, float, bool})
_HASHED = (set, frozenset, dict)
_TEXT = (str, bytes)
_SCALARS = frozenset({type(None), bool, int, float, str, bytes})
_MADE_OF = (list, tuple, set, frozenset)


def _too_much() -> NeedsCode:
    return NeedsCode("it makes more than is made outside a sandbox")


def _check_numbers(left: Any, right: Any) -> None:
    for value in (left, right):
        if type(value) is int and value.bit_length() > BITS:
            raise _too_much()


def _add(left: Any, right: Any) -> Any:
    if type(left) in _NUMBERS:
        return left + right
    if isinstance(left, _SIZED) and isinstance(right, _SIZED) and len(left) + len(right) > LENGTH:
        raise _too_much()
    return left + right


def _multiply(left: Any, right: Any) -> Any:
    if type(left) is float or type(right) is float:
        return left * right
    _check_numbers(left, right)
    for value, times in ((left, right), (right, left)):
        if isinstance(value, _SIZED) and isinstance(times, int) and _weight(value) * times > LENGTH:
            raise _too_much()
    return left * right


def _weight(value: Any) -> int:
    """What repeating it multiplies: also the texts in it, and more than may be made where it holds others, since
    repeating what was repeated grows without end."""
    if type(value) not in (list, tuple):
        return len(value)
    if len(value) > WALK or not _SCALARS.issuperset(map(type, value)):
        return LENGTH + 1
    return sum(len(item) if type(item) in _TEXT else 1 for item in value)


def _modulo(left: Any, right: Any) -> Any:
    if isinstance(left, _TEXT):
        raise NeedsCode("% formats text, which is not done outside a sandbox")
    _check_numbers(left, right)
    return left % right


def _power(left: Any, right: Any) -> Any:
    if isinstance(left, Decimal) or isinstance(right, Decimal):
        raise _too_much()
    _check_numbers(left, right)
    if isinstance(left, int) and isinstance(right, int) and left.bit_length() * abs(right) > BITS:
        raise _too_much()
    return left**right


def _shift(left: Any, right: Any) -> Any:
    if isinstance(left, int) and isinstance(right, int) and left.bit_length() + right > BITS:
        raise _too_much()
    return left << right


def _within(operate: Operate) -> Operate:
    def checked(left: Any, right: Any) -> Any:
        if type(left) is float or type(right) is float:
            return operate(left, right)
        _check_numbers(left, right)
        if type(left) in _HASHED:
            walked(left), walked(right)
        return operate(left, right)

    return checked


def contains(left: Any, right: Any) -> bool:
    """`left in right`."""
    kind = type(right)
    if kind is str and type(left) is str:
        if len(left) > 1 and len(right) > KEPT:
            check_search(right, len(left))
        return left in right
    if kind in (list, tuple):
        if len(right) > WALK * 4:
            raise _too_much()
    elif kind is range:
        if type(left) not in (int, bool):
            walked(right)
    elif type(left) is Nested and kind in _TEXT:
        raise NeedsCode(f"whether {left.class_name} is text is up to its class")
    return left in right


def excludes(left: Any, right: Any) -> bool:
    """`left not in right`."""
    return not contains(left, right)


def check_search(text: str | bytes, length: int) -> None:
    """Before a text of so many characters is searched for in another."""
    if len(text) > TEXT or len(text) * min(length, 128) > WORK:  # longer ones are searched for in another way
        raise _too_much()


def shown(value: Any) -> Any:
    """What is about to be written as text: not longer than LENGTH with all that is in it."""
    if type(value) is str:
        return value
    left, ahead = LENGTH, [value]
    while ahead and left >= 0:
        one = ahead.pop()
        left -= 1 + (len(one) if isinstance(one, _SIZED) else 0)
        if type(one) in _MADE_OF and left >= 0:
            ahead += one
        elif type(one) is dict and left >= 0:
            ahead += [*one.keys(), *one.values()]
    if left < 0:
        raise _too_much()
    return value


def walked(items: Any) -> Any:
    """What a function is about to go through: not longer than WALK."""
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
UNARY: dict[str, Callable[[Any], Any]] = {
    "Not": operator.not_,
    "USub": operator.neg,
    "UAdd": operator.pos,
    "Invert": operator.invert,
}
