"""Values of packages that need not be here (NumPy, pandas) and of `re`: as records without a bundle.

A package is imported only for values of its own, and to make one of its values from bytes; where it is not installed,
such a value stays a record. Nothing of a value's text is run or imported.
"""

from __future__ import annotations

import re
import sys
from importlib import import_module
from importlib.util import find_spec

from ..errors import EmergeError, Invalid
from .value import Fields, Record, Value

PACKAGES = frozenset({"numpy", "pandas"})
_MODULES = {"numpy": ".numpy_value", "pandas": ".pandas_value"}
_SHARED = frozenset({"numpy.ndarray", "pandas.DataFrame", "pandas.Series"})

PATTERN_LENGTH = 10_000
"""Characters of a regular expression that is compiled."""


def name_of(kind: type) -> str:
    """Return the name of a class of a package as it is written: `numpy.ndarray`; "" for any other class."""
    package = kind.__module__.partition(".")[0]
    return f"{package}.{kind.__qualname__}" if package in PACKAGES or kind is re.Pattern else ""


def is_foreign(kind: type) -> bool:
    """Tell whether instances of a class are values of a package."""
    return kind.__module__.partition(".")[0] in PACKAGES or kind is re.Pattern


def is_shared_foreign(kind: type) -> bool:
    """Tell whether a value of a package is one whose identity is kept."""
    return is_foreign(kind) and name_of(kind) in _SHARED


def take_apart(value: Value) -> tuple[str, Fields]:
    """Return the name of a value of a package, and its fields.

    Raises:
        ValueError: it cannot be written; the text says what it holds.
    """
    kind = type(value)
    if kind is re.Pattern:
        if len(value.pattern) > PATTERN_LENGTH:
            raise ValueError(f"holds a regular expression of more than {PATTERN_LENGTH} characters")
        return "re.Pattern", {"pattern": value.pattern, "flags": value.flags}
    module = import_module(_MODULES[kind.__module__.partition(".")[0]], __package__)
    name, fields = module.take_apart(value)
    return name, fields


def is_foreign_name(name: str, bundle: str) -> bool:
    """Tell whether a record stands for a value of a package."""
    return not bundle and (name.partition(".")[0] in PACKAGES or name == "re.Pattern") and "." in name


def put_together(name: str, fields: Fields) -> object:
    """Return the value of a record of a package; the record itself where the package is not here.

    Raises:
        Invalid: the fields do not make such a value.
    """
    package = name.partition(".")[0]
    try:
        if name == "re.Pattern":
            return _pattern(**fields)
        if package not in sys.modules and find_spec(package) is None:
            return Record(name, "", fields)
        module = import_module(_MODULES[package], __package__)
        import_module(package)
    except (ImportError, OSError):
        return Record(name, "", fields)
    except (ValueError, TypeError, OverflowError, RecursionError, re.error) as error:
        raise Invalid(f"a {name} cannot be made: {error}") from None
    try:
        return module.put_together(name, fields)
    except EmergeError:
        raise
    except Exception as error:  # the package raises many kinds for fields that do not fit
        raise Invalid(f"a {name} cannot be made: {str(error)[:200]}") from None


def _pattern(pattern: str | bytes, flags: int) -> re.Pattern[Value]:
    if len(pattern) > PATTERN_LENGTH:
        raise ValueError("it is too long")
    return re.compile(pattern, flags)
