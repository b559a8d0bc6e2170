"""Which functions, classes and methods only compute: equal arguments give an equal result, and nothing is read.

Tables of the standard library and of NumPy. Whatever is not in them may read the environment, a file, the clock.
"""

from __future__ import annotations

import builtins
import collections
import datetime
import decimal
import enum
import fractions
import hashlib
import pathlib
import re
import string
import struct
import sys
import uuid
from types import BuiltinFunctionType, ModuleType

_BUILTINS = frozenset(
    "abs all any ascii bin callable chr delattr divmod format hasattr hex isinstance issubclass iter len max min next"
    " oct ord pow print repr reversed round setattr sorted sum".split()
)
_WHOLE = frozenset(
    "abc array base64 binascii bisect calendar cmath collections colorsys contextlib copy dataclasses datetime"
    " decimal difflib enum fnmatch fractions functools graphlib hashlib heapq hmac html ipaddress itertools keyword "
    " math numbers numpy operator pydatetime pydecimal re reprlib statistics string struct textwrap types typing"
    " typing_extensions unicodedata uuid zlib".split()
)
_SOME = {
    "ast": "literal_eval",
    "emerge_wasm": "EmergeFile EmergeObject EmergeDirectory ship",
    "json": "loads dumps",
    "logging": "getLogger",
    "os": "fspath",
    "posix": "fspath",
    "nt": "fspath",
    "path": "join basename dirname split splitext splitdrive normpath normcase isabs commonprefix commonpath",
    "pprint": "pformat",
    "shlex": "split join quote",
    "sys": "intern",
    "urllib": "quote quote_plus unquote unquote_plus urlencode urlparse urlunparse urljoin urlsplit urlunsplit"
    " parse_qs parse_qsl",
    "zoneinfo": "ZoneInfo",
}
_NOT = frozenset(
    "astimezone today now utcnow fromtimestamp utcfromtimestamp timestamp uuid1 uuid4 uuid6 uuid7 getnode file_digest"
    " load save loadtxt savetxt genfromtxt fromfile tofile memmap random samples open DataSource localtime".split()
)
_PATHS = frozenset({"posixpath", "ntpath", "genericpath"})
_CONSTANTS = {
    "os": frozenset("sep altsep extsep pathsep linesep curdir pardir devnull".split()),
    "sys": frozenset("maxsize maxunicode byteorder float_info int_info hash_info".split()),
}
_PLAIN = (
    *(str, bytes, bytearray, int, float, complex, list, tuple, dict, set, frozenset, range, slice),
    *(collections.Counter, collections.deque, collections.OrderedDict, collections.ChainMap),
    *(datetime.date, datetime.datetime, datetime.time, datetime.timedelta, datetime.timezone),
    *(decimal.Decimal, fractions.Fraction, uuid.UUID, pathlib.PurePath, enum.Enum, enum.Flag),
    *(re.Pattern, re.Match, string.Template, struct.Struct, type(hashlib.sha256())),
)
_OF_MADE = frozenset({"name", "value", "_asdict", "_replace", "_make"})
_METHODS = frozenset(name for kind in _PLAIN for name in dir(kind)) - _NOT | _OF_MADE


def full_name(value: object) -> str:
    """Return module and qualified name of a function or class, as `datetime.datetime.now`; "" when it states none."""
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", "")
    owner = getattr(value, "__self__", None)
    if isinstance(value, BuiltinFunctionType) and owner is not None and not isinstance(owner, ModuleType):
        kind = owner if isinstance(owner, type) else type(owner)
        return f"{full_name(kind)}.{value.__name__}"
    module = getattr(value, "__module__", None) or getattr(type(value), "__module__", "")
    return f"{module}.{name}" if isinstance(module, str) and isinstance(name, str) else ""


def is_pure(name: str) -> bool:
    """Tell whether what has this full name only computes."""
    module, *steps = name.split(".")
    module = module.lstrip("_")
    last = steps[-1] if steps else ""
    if module == "builtins":
        return len(steps) > 1 or last in _BUILTINS or isinstance(getattr(builtins, last, None), type)
    if module == "pathlib":
        return (
            last in ("Path", "PosixPath", "WindowsPath") or last.startswith("Pure") or hasattr(pathlib.PurePath, last)
        )
    if module in _PATHS or name.startswith("os.path."):
        module = "path"
    if module in _SOME:
        return any(step in _SOME[module].split() for step in steps)
    return module in _WHOLE and not _NOT.intersection(steps)


def is_pure_constant(module: str, name: str, value: object) -> bool:
    """Tell whether an installed module's attribute is the same everywhere."""
    if name in _CONSTANTS.get(module, ()):
        return True
    if name.isupper() and isinstance(value, int | float | enum.Enum):  # socket.AF_INET, logging.INFO, stat.S_IRUSR
        return True
    return module.partition(".")[0].lstrip("_") in _WHOLE and name not in _NOT


def is_plain_method(name: str) -> bool:
    """Tell whether a value of some plain type has a method or attribute of this name, which only computes."""
    return name in _METHODS or name in _array_names()


def is_plain_type(kind: type) -> bool:
    """Tell whether all that a value of this type does is to compute."""
    return kind.__module__.partition(".")[0].lstrip("_") in _WHOLE | {"builtins", "pathlib", "zoneinfo"}


def _array_names() -> frozenset[str]:
    array = getattr(sys.modules.get("numpy"), "ndarray", None)
    return frozenset(dir(array)) - _NOT if array else frozenset()
