"""Objects that are read are instances of the reader's own classes, where these have the code that was stored."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import emerge_wasm
from emerge_wasm import Invalid, NotFound
from emerge_wasm.bundles import keep_source
from emerge_wasm.bundles.registry import forget
from emerge_wasm.clients import SyncClient
from tests.bundles.test_bundle_place import interpreter
from tests.clients.test_client import new_client
from tests.scale import examples

PACKAGES = [str(Path(module.__file__).parents[1]) for module in (emerge_wasm, msgpack) if module.__file__]


@pytest.fixture
def fs() -> Iterator[SyncClient]:
    with new_client() as fs:
        yield fs


def run(*args: str, python: str = sys.executable, cwd: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(PACKAGES)}
    done = subprocess.run([python, *args], capture_output=True, text=True, env=environment, cwd=cwd, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# --- programs: each a process of its own, on one file
BASE = """
from __future__ import annotations
from dataclasses import dataclass
from enum import Enum, Flag, IntEnum, StrEnum, auto
from typing import NamedTuple

class Status(Enum):
    OPEN = "o"
    DONE = "d"

    @property
    def final(self):
        return self is Status.DONE

class Level(IntEnum):
    LOW = 1
    HIGH = 2

class Color(StrEnum):
    RED = auto()

class Rights(Flag):
    R = auto()
    W = auto()

class Point(NamedTuple):
    x: int
    y: int = 0

@dataclass(frozen=True)
class Money:
    amount: int
    unit: Color = Color.RED

@dataclass(frozen=True, slots=True)
class Slot:
    status: Status
    point: Point
"""
MODELS = """
from __future__ import annotations
from dataclasses import dataclass, field
from enum import Enum
from emerge_wasm import EmergeFile
from .base import *
from .base import Status as S

@dataclass
class Line:
    n: int
    status: S = S.OPEN

@dataclass
class Order(EmergeFile):
    class Kind(Enum):
        A = 1
        B = 2

    @dataclass(frozen=True)
    class Inner:
        class More(Enum):
            P = 1
        more: More = More.P

    status: Status = Status.DONE
    level: Level = Level.HIGH
    rights: Rights = Rights.R | Rights.W
    color: Color = Color.RED
    point: Point = Point(1)
    money: Money = Money(3)
    slot: Slot = Slot(Status.OPEN, Point(2, 3))
    kind: Kind = Kind.B
    inner: Inner = Inner()
    lines: list[Line] = field(default_factory=lambda: [Line(1), Line(2, Status.DONE)])
    by: dict = field(default_factory=lambda: {Status.DONE: 1, Point(1): 2, Money(1): 3})
    some: set = field(default_factory=lambda: {Status.DONE, Status.OPEN})

    def done(self):
        return self.status == Status.DONE
"""
LEFT = """
from __future__ import annotations
from dataclasses import dataclass
from emerge_wasm import EmergeFile

@dataclass
class Left(EmergeFile):
    right: Right | None = None

    def make(self):
        return Right(self.name)

from .right import Right
"""
RIGHT = """
from __future__ import annotations
from dataclasses import dataclass

@dataclass
class Right:
    n: str = ""

    def back(self):
        return Left(name=self.n)

from .left import Left
"""
MADE = """
from dataclasses import dataclass
from enum import Enum
from emerge_wasm import EmergeFile

def make():
    class Mood(Enum):
        GOOD = 1

    @dataclass(frozen=True)
    class Note:
        mood: Mood = Mood.GOOD

    @dataclass
    class Diary(EmergeFile):
        mood: Mood = Mood.GOOD
        note: Note = Note()

    return Diary, Mood, Note

Book, Mood, Note = make()
"""
WRITE = """
import sys
from emerge_wasm import SQLFileSystem
from stock import Order
from stock.left import Left, Right
from stock.made import Book
fs = SQLFileSystem("all.db")
fs.store(Order(name="order"))
fs.store(Left(name="left", right=Right("x")))
fs.store(Book(name="diary"))
"""
READ = """
import sys
from emerge_wasm import SQLFileSystem
fs = SQLFileSystem("all.db")
early = fs.getobject("/order")
assert fs.code_of(early)["whose"] == "stored" and "stock" not in sys.modules
import stock.base
assert fs.getobject("/order").status is stock.base.Status.DONE
from stock import Order, Status
order, (found,), (each,) = fs.getobject("/order"), fs.search(lambda o: o.status == Status.DONE), [
    o for o in fs.objects("/") if o.name == "order"
]
for o in (order, found, each):
    assert type(o) is Order and o.status is Status.DONE and o.done() and o.kind is Order.Kind.B
    assert o == Order(name="order") and vars(o).keys() == vars(Order(name="order")).keys()
    assert o.by[Status.DONE] == 1 and o.lines[1].status.final
match order:
    case Order(status=Status.DONE, point=stock.base.Point(1, y), money=stock.base.Money(3)):
        assert y == 0
    case _:
        raise AssertionError(order)
from stock.left import Left, Right
left = fs.getobject("/left")
assert type(left) is Left and type(left.right) is Right and type(left.right.back()) is Left
from stock.made import Book, Mood, Note
diary = fs.getobject("/diary")
assert type(diary) is Book and diary.mood is Mood.GOOD and diary.note == Note()
assert fs.code_of(order) | {"bundle": ""} == {
    "module": "stock.models", "class_name": "Order", "bundle": "", "whose": "mine"
}
assert fs.code_of(order)["bundle"] == fs.get("/order").bundle
with fs.transaction() as tx:
    assert type(tx.getobject("/order")) is Order
assert fs.store(order).version > 1 and type(fs.getobject("/order", version=1)) is Order
"""


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a package, and objects of its classes in `all.db`."""
    folder = tmp_path_factory.mktemp("program")
    texts = {"base": BASE, "models": MODELS, "left": LEFT, "right": RIGHT, "made": MADE}
    (folder / "stock").mkdir()
    (folder / "stock" / "__init__.py").write_text("from .base import *\nfrom .models import Order\n")
    for name, text in texts.items():
        (folder / "stock" / f"{name}.py").write_text(text)
    run("-c", WRITE, cwd=folder)
    return folder


@pytest.mark.parametrize("version", ["", "3.13"])
def test_a_fresh_process_gets_its_own_classes(stock: Path, version: str) -> None:
    python = interpreter(version) if version else sys.executable
    if python is None:
        pytest.skip(f"no python{version} here")
    run("-c", READ, python=python, cwd=stock)


SHOP = """
import sys
from dataclasses import dataclass
from enum import Enum
from emerge_wasm import EmergeFile, SQLFileSystem

class Status(Enum):
    OPEN = 1
    DONE = 2

@dataclass
class Order(EmergeFile):
    status: Status = Status.OPEN

    def done(self):
        return self.status == Status.DONE

def main(name):
    with SQLFileSystem("shop.db") as fs:
        found = [*fs.objects("/"), *fs.search(lambda o: o.status == Status.DONE)]
        for o in found:
            assert type(o) is Order and o.status is Status.DONE and o.done(), (o.name, type(o))
        assert len(found) == 2 * len(fs.list("/"))
        fs.store(Order(name=name, status=Status.DONE))
        print(fs.code_of(Order(name="x"))["module"], len(found))

if __name__ == "__main__":
    main(sys.argv[1])
"""


def test_a_script_a_module_and_typed_code_have_the_same_classes(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "shop.py").write_text(SHOP)
    programs = [
        (["shop.py", "1"], "shop"),
        (["-c", "import shop; shop.main('2')"], "shop"),
        (["-m", "shop", "3"], "shop"),
        (["-m", "pack.shop", "4"], "pack.shop"),
        (["-c", SHOP, "5"], "__main__"),
        (["pack/shop.py", "6"], "shop"),
    ]
    for count, (arguments, module) in enumerate(programs):
        assert run(*arguments, cwd=tmp_path) == f"{module} {2 * count}"


# --- class shapes, composed
HEAD = """
from __future__ import annotations
from dataclasses import dataclass, field
from enum import Enum, Flag, IntEnum
from typing import NamedTuple
from emerge_wasm import EmergeFile
"""
KINDS = {
    "enum": ("class {name}(Enum):\n    P = {n}\n    Q = 2\n", "{name}.Q"),
    "int enum": ("class {name}(IntEnum):\n    P = {n}\n    Q = 2\n", "{name}.Q"),
    "flag": ("class {name}(Flag):\n    P = 1\n    Q = 2\n    def n(self): return {n}\n", "{name}.P | {name}.Q"),
    "frozen": ("@dataclass(frozen=True)\nclass {name}:\n    n: int = {n}\n    held: object = {held}\n", "{name}()"),
    "slots": (
        "@dataclass(frozen=True, slots=True)\nclass {name}:\n    n: int = {n}\n    held: object = {held}\n",
        "{name}()",
    ),
    "tuple": ("class {name}(NamedTuple):\n    n: int = {n}\n    held: object = {held}\n", "{name}()"),
    "inner": (
        "@dataclass(frozen=True)\nclass {name}:\n    class In(Enum):\n        P = {n}\n"
        "    held: object = {held}\n    e: In = In.P\n",
        "{name}()",
    ),
}
PLACES = ["{}", "[{}]", "({}, 1)", "{{'k': {}}}", "{{{}: 1}}", "frozenset([{}])"]
Shape = tuple[str, int, str]
"""A kind, how many classes before this one it holds (counting back; 0: none), and in what."""
shapes = st.lists(
    st.tuples(st.sampled_from(sorted(KINDS)), st.integers(0, 3), st.sampled_from(PLACES[:3])), min_size=1, max_size=5
)


def module_text(classes: list[Shape], places: list[str], changed: int | None = None) -> tuple[str, list[set[int]]]:
    """The text of a module with these classes, one of them changed; and what each of them reaches."""
    text, values, reach = HEAD, [], []
    for index, (kind, back, place) in enumerate(classes):
        body, value = KINDS[kind]
        held = index - back if 0 < back <= index and "{held}" in body else None
        inside = "None" if held is None else place.replace("[{}]", "({},)").format(values[held])
        text += body.format(name=f"C{index}", n=7 if index == changed else 1, held=inside)
        values.append(value.format(name=f"C{index}"))
        reach.append({index} | (reach[held] if held is not None else set()))
    fields = [place.format(value) for place, value in zip(places, values, strict=False)]
    text += "@dataclass\nclass Composed(EmergeFile):\n"
    text += "".join(f"    f{n}: object = field(default_factory=lambda: {value})\n" for n, value in enumerate(fields))
    text += (
        "    def same(self):\n        return [" + ", ".join(f"self.f{n} == {v}" for n, v in enumerate(fields)) + "]\n"
    )
    return text, reach


def classes_in(value: object) -> set[type]:
    """The user's classes of the values within a value."""
    if isinstance(value, dict):
        value = [*value, *value.values()]
    held = (
        list(value)
        if isinstance(value, list | tuple | set | frozenset)
        else list(getattr(value, "__dict__", {}).values())
    )
    held += [getattr(value, name) for name in getattr(type(value), "__slots__", ()) if hasattr(value, name)]
    own = {type(value)} if type(value).__name__[:1] == "C" and type(value).__name__[1:].isdigit() else set()
    inner = [] if type(value).__name__ == "In" or not isinstance(value, object) else held
    return own.union(*(classes_in(item) for item in inner if not isinstance(item, str | int | type)))


@settings(max_examples=examples(12))
@given(classes=shapes, places=st.lists(st.sampled_from(PLACES), min_size=5, max_size=5), data=st.data())
def test_shapes_of_classes(classes: list[Shape], places: list[str], data: st.DataObject) -> None:
    """What is unchanged is the reader's own, what is changed (or holds what is) as it was; and all holders agree."""
    changed = data.draw(st.none() | st.integers(0, len(classes) - 1))
    with pytest.MonkeyPatch.context() as patch, new_client() as fs:
        text, reach = module_text(classes, places)
        first = typed(patch, text)
        fs.store(first.Composed(name="i"))
        forget()
        mine = typed(patch, module_text(classes, places, changed)[0])
        read = [fs.getobject("/i"), fs.search("o.name == 'i'")[0]]
        own = changed is None
        assert [type(o) is mine.Composed for o in read] == [own, own]
        assert all(item is True for o in read for item in o.same())
        if own:
            assert all(getattr(o, n) == getattr(mine.Composed(), n) for o in read for n in vars(o) if n[0] == "f")
        found = {cls for o in read for n, value in vars(o).items() if n[0] == "f" for cls in classes_in(value)}
        assert len({cls.__name__ for cls in found}) == len(found)
        for cls in found:
            number = int(cls.__name__[1:])
            assert (cls is getattr(mine, cls.__name__)) == (changed not in reach[number])


_count = itertools.count()


def typed(patch: pytest.MonkeyPatch, *cells: str, name: str = "cells") -> Any:
    """A new module of typed cells, in a process that knows no class yet."""
    forget()
    module = ModuleType(name)
    patch.setitem(sys.modules, name, module)  # patched: as a console's module is there
    for cell in cells:
        more(module, cell)
    return module


def more(module: ModuleType, cell: str) -> None:
    filename = f"<own cell {next(_count)}>"
    keep_source(filename, cell)
    exec(compile(cell, filename, "exec", dont_inherit=True), vars(module))


# --- classes that were defined anew
STATUS = (
    HEAD
    + """
class Status(Enum):
    OPEN = 1
    DONE = 2
"""
)
TASK = """
@dataclass(frozen=True)
class Note:
    text: str = "n"

@dataclass
class Task(EmergeFile):
    status: Status = Status.OPEN
    note: Note = Note()
    old: int = 1

    def word(self):
        return "first"
"""
LATER = """
@dataclass(frozen=True)
class Note:
    text: str = "n"
    more: tuple = (1,)

@dataclass
class Task(EmergeFile):
    status: Status = Status.OPEN
    note: Note = Note()
    tags: list = field(default_factory=lambda: ["new"])

    def word(self):
        return "second"
"""


@pytest.fixture
def cells(fs: SyncClient, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A module of cells with a Task, of which one is stored as /t."""
    module = typed(monkeypatch, STATUS, TASK)
    fs.store(module.Task(name="t", status=module.Status.DONE, note=module.Note("kept")))
    return module


def test_a_cell_that_is_run_again_unchanged(fs: SyncClient, cells: Any) -> None:
    before = cells.Task
    more(cells, STATUS)
    more(cells, TASK)
    task = fs.getobject("/t")
    assert type(task) is cells.Task is not before
    assert task.status is cells.Status.DONE and task.note == cells.Note("kept")
    assert fs.search("o.old == 1")[0] == task


def test_a_changed_class_leaves_objects_as_they_were(fs: SyncClient, cells: Any) -> None:
    more(cells, LATER)
    for task in (fs.getobject("/t"), *fs.search("o.old == 1"), *fs.objects("/")):
        assert task.word() == "first" and not hasattr(task, "tags") and not hasattr(task.note, "more")
        assert task.status is cells.Status.DONE, "it did not change"
    forget()
    task = fs.getobject("/t")
    assert (task.word(), fs.code_of(task)["whose"], fs.code_of(task)["module"]) == ("first", "stored", "cells")
    assert not isinstance(task, cells.Task) and task.status is cells.Status.DONE


def test_a_helper_that_was_defined_anew(fs: SyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here, as where objects are run, what was stored before has the helper of then, and what is stored now the new."""
    item = HEAD + "@dataclass\nclass Rated(EmergeFile):\n    def f(self): return rate() + BASE\n"
    module = typed(monkeypatch, "BASE = 1\n", "def rate(): return 10\n", item)
    fs.store(module.Rated(name="a"))
    assert type(fs.getobject("/a")) is module.Rated
    for count, cell in enumerate(("def rate(): return 100\n", "BASE = 2\n")):
        more(module, cell)
        fs.store(module.Rated(name=f"b{count}"))
    expected = {"a": 11, "b0": 101, "b1": 102}
    for name, value in expected.items():
        assert (fs.getobject(f"/{name}").f(), fs.run(f"/{name}", "f")) == (value, value)
    assert [type(o) is module.Rated for o in sorted(fs.search("True"), key=lambda o: o.name)] == [False, False, True]
    assert [o.f() for o in fs.objects("/", code="mine")] == [102] * 3


def test_the_reader_can_ask_for_its_own_code(fs: SyncClient, cells: Any) -> None:
    fs.index("/", "note", text=True)
    more(cells, LATER)
    reference = fs.reference("/t")
    read = [fs.getobject("/t", code="mine"), fs.resolve(reference, code="mine"), *fs.objects("/", code="mine")]
    read += fs.search("o.old == 1", code="mine")
    read += fs.search("o.old == 1", limit=1, code="mine")
    for task in read:
        assert (type(task), task.word(), task.tags, task.old) == (cells.Task, "second", ["new"], 1)
        assert task.note == cells.Note("kept", (1,)) and task.status is cells.Status.DONE
        assert fs.code_of(task)["whose"] == "mine"
    fs.store(read[0])
    again = fs.getobject("/t")
    assert (type(again), again.old, fs.cat("/t.old"), fs.cat("/t.tags")) == (cells.Task, 1, 1, ["new"])
    assert fs.getobject("/t", version=1).word() == "first"


def test_what_the_reader_does_not_have(fs: SyncClient, cells: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Invalid, match="code cannot be 'theirs'"):
        fs.getobject("/t", code="theirs")  # type: ignore[arg-type]
    for ask in (fs.search, fs.objects):
        with pytest.raises(Invalid, match="code cannot be ''"):
            list(ask(path="/none", code=""))  # type: ignore[call-overload]
    monkeypatch.delitem(sys.modules, "cells")  # patched: a process without that module
    forget()
    with pytest.raises(NotFound, match=r"no class Task of the module cells is here \(import cells first\)"):
        fs.getobject("/t", code="mine")
    for ask in (lambda: fs.search("o.old == 1", code="mine"), lambda: list(fs.objects("/", code="mine"))):
        with pytest.raises(NotFound, match="import cells first"):
            ask()
    assert fs.getobject("/t").word() == "first"


def test_a_required_field_that_the_state_lacks(fs: SyncClient, cells: Any) -> None:
    more(cells, TASK.replace("    old: int = 1", "    owed: int = field(kw_only=True)"))
    assert fs.getobject("/t").word() == "first"
    with pytest.raises(Invalid, match=r"/t: the state has no owed, which the class Task requires \(give it") as caught:
        fs.getobject("/t", code="mine")
    assert (caught.value.path, caught.value.details["field"]) == ("/t", "owed")
    fs.update("/t", owed=3)
    assert fs.getobject("/t", code="mine").owed == 3
    more(cells, TASK.replace('text: str = "n"', "text: str\n    size: int").replace("Note()", "Note('', 0)"))
    with pytest.raises(Invalid, match=r"/t: the state has no size, which the class Note requires"):
        fs.getobject("/t", code="mine")
