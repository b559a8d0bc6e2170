"""Only what a text says travels in a bundle; what came from outside is refused by name, or given to `ship`."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emerge_wasm.bundles import capture, keep_source, load, origin
from emerge_wasm.errors import CannotShip

from ..scale import examples
from .conftest import forget, pack

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
Make = Callable[..., ModuleType]
HEAD = "from dataclasses import dataclass, field\nfrom emerge_wasm import EmergeFile\n"
ITEM = "@dataclass\nclass Item{0}(EmergeFile):\n    def do_(self):\n        return {1}\n"
SECRET = "s3cr3t-4f9a"
COUNT = itertools.count()


def sections() -> list[str]:
    text = (Path(__file__).parents[1] / "data" / "provenance.txt").read_text()
    return re.split(r"^# .*\n", text, flags=re.MULTILINE)[1:]


@pytest.fixture
def around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The text before every statement, in a world with a secret."""
    monkeypatch.setenv("SECRET", SECRET)
    monkeypatch.setenv("N", "3")
    (tmp_path / "secret.txt").write_text(SECRET)
    return HEAD + sections()[0].replace("{file}", str(tmp_path / "secret.txt"))


def numbered(lines: str) -> list[tuple[str, str]]:
    """Each statement with a name of its own for X, and that name."""
    rows = [line.replace(r"\n", "\n") for line in lines.strip().split("\n")]
    return [(re.sub(r"(?<!%)\b([XY]|glob|setup|bump)\b", rf"\g<1>{at}", row), f"X{at}") for at, row in enumerate(rows)]


def test_what_a_text_says_travels(module: Make, around: str) -> None:
    rows = numbered(sections()[1])
    names = [name for _, name in rows]
    every = "".join(ITEM.format(name, name) for name in names)
    source = module("\n".join([around, *(row for row, _ in rows), every]))
    for row, name in rows:
        here = getattr(source, name)
        hash, table = pack(getattr(source, f"Item{name}"))
        forget()
        assert repr(load(hash, table.get)().do_()) == repr(here), row
        assert "ship" in row or SECRET.encode() not in b"".join(table.values()), row


def test_what_a_text_does_not_say_is_refused(module: Make, around: str) -> None:
    rows = numbered(sections()[2])
    every = "".join(ITEM.format(name, name) for _, name in rows)
    source = module("\n".join([around, *(row for row, _ in rows), every]))
    for row, name in rows:
        with pytest.raises(CannotShip, match=f"uses {name}, whose value comes from ") as caught:
            capture(getattr(source, f"Item{name}"))
        assert SECRET not in str(caught.value), row
        assert f"{name} = ship(…)" in str(caught.value.remedy), row


LEAVES = st.sampled_from(["1", "'a b'", "len('abc')", "A", "f'{A}x'", "B[0]", "Decimal('1.5')", "date(2020, 1, 2)"])
FOREIGN = st.sampled_from(
    ["os.environ['SECRET']", "getenv('SECRET')", "open(FILE).read()", "Path(FILE).read_text()", "hidden()", "KEY"]
)
WRAPS = st.sampled_from(
    """str({0})|[{0}, 2]|({0},)|{{'k': {0}}}|repr({0}).upper()|'<{{}}>'.format({0})|dict(a={0})|same({0})|Box({0}).v
    [v for v in [{0}]]|list(map(str, [{0}]))|({0} if A else 1)|sorted([str({0})], key=len)|max([str({0})], default='')
    (lambda v: [v])({0})|functools.partial(same, {0})()|'%s' % ({0},)""".replace("\n    ", "|").split("|")
)
WAYS = st.sampled_from(
    r"""X = {0}|X: object = {0}|X, Z = {0}, 1|Y = {0}\nX = [Y]|X = []\nX.append({0})|X = {{}}\nX['a'] = {0}
    for X in [{0}]: pass|if A:\n    X = {0}\nelse:\n    X = 1|def make_x(): return {0}\nX = make_x()
    X = ''\nX += str({0})
    def put(d, v): d['k'] = v\nX = {{}}\nput(X, {0})|try:\n    X = {0}\nfinally:\n    pass""".replace("\n    ", "|")
    .replace(r"\n", "\n")
    .split("|")
)
GRAMMAR = """
import functools, os
from datetime import date
from decimal import Decimal
from os import getenv
from pathlib import Path
FILE = "{file}"
A = "abc"
B = [1, 2]
KEY = os.environ["SECRET"]
def same(v): return v
def hidden():
    with open(FILE) as text: return text.read()
@dataclass
class Box:
    v: object = None
"""


@settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(leaf=LEAVES | FOREIGN, wraps=st.lists(WRAPS, max_size=3), way=WAYS)
def test_any_value(module: Make, around: str, tmp_path: Path, leaf: str, wraps: list[str], way: str) -> None:
    forget()
    foreign = leaf not in ("1", "'a b'", "len('abc')", "A", "f'{A}x'", "B[0]", "Decimal('1.5')", "date(2020, 1, 2)")
    for wrap in wraps:
        leaf = wrap.format(leaf)
    text = HEAD + GRAMMAR.replace("{file}", str(tmp_path / "secret.txt")) + way.format(leaf) + "\n"
    source = module(text + ITEM.format("", "X"), f"any{next(COUNT)}")
    if foreign:
        with pytest.raises(CannotShip, match="Item uses X, whose value comes from"):
            capture(source.Item)
        return
    hash, table = pack(source.Item)
    forget()
    assert repr(load(hash, table.get)().do_()) == repr(source.X)


def test_a_value_of_another_module_is_looked_up_there(module: Make, around: str) -> None:
    module("import os\nKEY = os.environ['SECRET']\nFINE = 3\ndef make(key):\n    class Own:\n        def do_(self):\n"
           "            return key\n    return Own\n", "config")  # fmt: skip
    assert capture(module(HEAD + "from config import FINE as X\n" + ITEM.format("", "X"), "fine").Item)
    for number, line in enumerate(
        ("from config import KEY as X", "from config import *\nX = KEY", "import config\nX = config.KEY")
    ):
        with pytest.raises(CannotShip, match="whose value comes from"):
            capture(module(HEAD + line + "\n" + ITEM.format("", "X"), f"other{number}").Item)
    user = module("import os\nfrom config import make\nOwn = make(os.environ['SECRET'])\nPlain = make('a')\n", "user")
    with pytest.raises(CannotShip, match="whose value comes from"):
        capture(user.Own)


def test_a_constant_that_another_module_sets(module: Make, around: str) -> None:
    source = module(HEAD + "KEY = ''\n" + ITEM.format("", "KEY"))
    source.KEY = SECRET
    with pytest.raises(CannotShip, match="whose value comes from a change after KEY = ''"):
        capture(source.Item)


def test_what_methods_do_with_a_value_is_not_where_it_comes_from(module: Make, around: str) -> None:
    text = "import logging, os\nX = {'a': save}\nLOG = logging.getLogger(__name__)\nN = ' '\n"
    method = "        LOG.info(os.getenv('SECRET'), N.join(os.environ))\n        return X['a'](N)\n"
    source = module(
        HEAD + "def save(x):\n    return open(x)\n" + text + ITEM.format("", "0").replace("        return 0\n", method)
    )
    assert capture(source.Item)


def test_what_a_script_has_not_reached_does_not_count(around: str, tmp_path: Path) -> None:
    text = HEAD + "import os\nfrom emerge_wasm import ship\nX = os.getenv('SECRET')\n" + ITEM.format("", "X")
    text += "check(Item)\nX = ship(X)\n" + ITEM.format("", "X") + "check(Item)\n"
    said: list[str] = []

    def check(cls: type) -> None:
        try:
            said.append(capture(cls)[-1].class_name)
        except CannotShip as error:
            said.append(error.message.partition(", whose ")[0].rpartition(": ")[2])

    path = tmp_path / "script.py"
    path.write_text(text)
    module = ModuleType("script")
    vars(module).update(__file__=str(path), check=check)
    exec(compile(text, str(path), "exec"), vars(module))
    assert said == ["Item uses X", "Item"]


def test_locals_of_a_function(module: Make, around: str) -> None:
    inner = (
        "    @dataclass\n    class Item(EmergeFile):\n        def do_(self):\n            return key\n    return Item\n"
    )
    text = (
        HEAD
        + "import os\ndef make(key):\n{0}def plain():\n    key = 'a'\n{0}"
        + "def foreign():\n    key = os.getenv('SECRET')\n{0}"
    )
    source = module(text.format(inner))
    assert capture(source.make("a")) and capture(source.plain())
    with pytest.raises(CannotShip, match=r"os\.getenv\('SECRET'\) \(line \d+ of stock\.py\)"):
        capture(source.foreign())


def test_a_value_typed_in_another_cell(around: str, monkeypatch: pytest.MonkeyPatch) -> None:
    origin._is_installed.cache_clear()  # private: the program was pytest
    main = ModuleType("__main__")
    monkeypatch.setitem(__import__("sys").modules, "__main__", main)  # patched: cells run as the program

    def cell(number: int, text: str) -> None:
        filename = f"<provenance {number}>"
        keep_source(filename, text)
        exec(compile(text, filename, "exec"), vars(main))

    cell(1, HEAD + "import os\nfrom emerge_wasm import ship\nX = os.environ['SECRET']\nFINE = [1]\n")
    cell(2, ITEM.format("", "X") + ITEM.format("Fine", "FINE"))
    with pytest.raises(CannotShip, match=r"comes from os\.environ\['SECRET'\] \(line 5 of <provenance 1>\)"):
        capture(main.Item)
    assert capture(main.ItemFine)
    cell(3, "X = ship(X)\n" + ITEM.format("", "X"))
    assert SECRET.encode() in capture(main.Item)[-1].data
    cell(4, "X = 'written'\n" + ITEM.format("", "X"))
    assert SECRET.encode() not in capture(main.Item)[-1].data


def test_what_is_evaluated_there_is_text(module: Make, around: str) -> None:
    """Defaults and class attributes travel as text: their values stay here."""
    cls = module(
        HEAD + "import os\n@dataclass\nclass Item(EmergeFile):\n    a: str = os.environ['SECRET']\n"
        "    b = os.getenv('SECRET')\n    def do_(self, c=os.getenv('SECRET')):\n        return c\n"
    ).Item
    assert SECRET.encode() not in b"".join(bundle.data for bundle in capture(cls))
