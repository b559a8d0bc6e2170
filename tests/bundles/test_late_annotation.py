"""What Python 3.14 lets annotations name before it is there travels as text; all else stays as it is."""

from __future__ import annotations

import pytest

from emerge_wasm.bundles.bundle import SourcePart
from emerge_wasm.bundles.late_annotation import with_late_annotations

NOW = {
    "builtins and imports": "class A:\n    x: int = 1\n    y: List[str] = None\n    def f(self, a: List) -> dict: ...",
    "text already": "class A:\n    next: 'A' = None\n    def f(self) -> 'Later': ...",
    "names of the class": "class A:\n    Kind = int\n    class B: ...\n    x: Kind = 1\n    def f(self, b: B): ...",
    "an alias of a part before": "class A:\n    x: Other = 1",
    "local variables": "def f():\n    x: Later = 1\n    def g(a: Later): ...\n    return g",
    "a part before": "def f(x: Before) -> Before: ...",
}
LATE = {
    "the class itself": "class A:\n    next: A | None = None",
    "in a method": "class A:\n    def f(self) -> A: ...",
    "in an argument": "class A:\n    def f(self, *rest: A): ...",
    "a later class": "class A:\n    b: list[B] = None",
    "a name that is nowhere": "def f(x: Missing): ...",
    "a class within": "class A:\n    class B:\n        a: A = None",
    "under if": "class A:\n    if True:\n        a: A = None",
}


def parts(text: str) -> list[bool]:
    before, after = (SourcePart("class", name, f"class {name}: ...", False) for name in ("Before", "B"))
    part = SourcePart("class", "A", text, False)
    return [one.future for one in with_late_annotations([before, part, after], {"List"}, {"Other": "Before", "C": "B"})]


@pytest.mark.parametrize("text", NOW.values(), ids=list(NOW))
def test_stays(text: str) -> None:
    assert parts(text) == [False, False, False]


@pytest.mark.parametrize("text", LATE.values(), ids=list(LATE))
def test_becomes_text(text: str) -> None:
    assert parts(text) == [False, True, False]
