"""Imports that may fail: the statement travels whole, and what it imports is not needed."""

from __future__ import annotations

import linecache
import sys
from itertools import count
from types import ModuleType
from typing import Any

import pytest

from emerge_wasm.bundles import capture, load
from emerge_wasm.bundles.registry import CLASSES

HEAD = "from dataclasses import dataclass\nfrom emerge_wasm.objects import EmergeFile\n"
CLASS = "\n@dataclass\nclass Thing(EmergeFile):\n    def see(self):\n        return {use}\n"

CASES: dict[str, tuple[str, str, Any]] = {
    "absent, None": ("try:\n    import nowhere_x\nexcept ImportError:\n    nowhere_x = None", "nowhere_x", None),
    "absent, flag": (
        "try:\n    import nowhere_x\n    HAS = True\nexcept ModuleNotFoundError:\n    HAS = False",
        "HAS",
        False,
    ),
    "present, alias": ("try:\n    import json as j\nexcept ImportError:\n    j = None", "j.dumps([1])", "[1]"),
    "another instead": (
        "try:\n    import nowhere_x as j\nexcept ImportError:\n    import json as j",
        "j.dumps([1])",
        "[1]",
    ),
    "member": ("try:\n    from math import isqrt\nexcept ImportError:\n    isqrt = None", "isqrt(9)", 3),
    "own function instead": (
        "try:\n    from nowhere_x import f\nexcept (ImportError, OSError):\n    def f(x):\n        return x + A\nA = 1",
        "f(1)",
        2,
    ),
    "bare": ("try:\n    import nowhere_x as m\nexcept:\n    m = 5", "m", 5),
    "else": ("try:\n    import nowhere_x\nexcept Exception:\n    N = 1\nelse:\n    N = 2", "N", 1),
    "suppressed": (
        "import contextlib\nN = 1\nwith contextlib.suppress(ImportError):\n    import nowhere_x\n    N = 2",
        "N",
        1,
    ),
    "default first": ("j = None\ntry:\n    import nowhere_x as j\nexcept ImportError:\n    pass", "j", None),
    "bound again": ("try:\n    import nowhere_x as j\nexcept ImportError:\n    j = 1\nj = 7", "j", 7),
    "newer Python": (
        "try:\n    from compression import zstd\nexcept ImportError:\n    zstd = None",
        "zstd is None",
        sys.version_info < (3, 14),
    ),
    "in the method": (
        "",
        "self.inside()\n    def inside(self):\n        try:\n            import nowhere_x\n"
        "        except ImportError:\n            return 'none'\n        return nowhere_x",
        "none",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_guard_travels_whole_and_needs_nothing(case: str) -> None:
    guard, use, value = CASES[case]
    bundles = {bundle.hash: bundle for bundle in capture(define(HEAD + guard + CLASS.format(use=use)))}
    assert all(bundle.needs == () and bundle.where == "anywhere" for bundle in bundles.values())
    hash = next(reversed(bundles))
    CLASSES.pop(hash, None)  # a reader that has never seen it
    cls: Any = load(hash, lambda name: bundles[name].data)
    assert cls().see() == value


def test_what_is_imported_without_a_guard_is_needed() -> None:
    text = "try:\n    import nowhere_x\nexcept ImportError:\n    nowhere_x = None\nimport msgpack"
    bundle = capture(define(HEAD + text + CLASS.format(use="(nowhere_x, msgpack)")))[-1]
    assert bundle.needs == ("msgpack",)


COUNT = count()


def define(text: str) -> type:
    """The class Thing of a file with this text."""
    name = f"guarded_{next(COUNT)}"
    module = ModuleType(name)
    sys.modules[name] = module
    linecache.cache[f"{name}.py"] = (len(text), None, text.splitlines(keepends=True), f"{name}.py")
    exec(compile(text, f"{name}.py", "exec"), vars(module))
    cls: type = vars(module)["Thing"]
    return cls
