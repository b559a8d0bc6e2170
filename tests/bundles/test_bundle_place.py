"""Where a class may be typed: a script, a module, `python -c`, console cells, a REPL; and on which Python."""

from __future__ import annotations

import gc
import importlib.util
import linecache
import os
import py_compile
import re
import shutil
import subprocess
import sys
import weakref
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import msgpack
import pytest

import emerge_wasm
from emerge_wasm.bundles import capture, keep_source
from emerge_wasm.bundles.source import UNITS_KEPT, Unit, unit_of
from emerge_wasm.errors import CannotShip

from .conftest import code, pack, reload

CLASS = '''
from __future__ import annotations
import math
from dataclasses import dataclass, field
from pathlib import Path
from emerge_wasm import EmergeFile

RATES = {"a": 1.5, 2: (3, 4)}

def rate(name):
    """The rate."""
    return RATES[name] + math.floor(0.5)

@dataclass
class Part:
    n: int = 2

@dataclass
class Item(EmergeFile):
    """One item."""
    part: Part = field(default_factory=Part)

    def f(self):
        text = f"""{self.part.n}
    kept"""
        return rate("a") * self.part.n, Path("/a/b").name, text
'''
TELL = """
from emerge_wasm.bundles import capture, load
from emerge_wasm.bundles.bundle import code_hash
from emerge_wasm.bundles.registry import forget
bundles = capture(Item)
table = {bundle.hash: bundle.data for bundle in bundles}
forget()
assert load(bundles[-1].hash, table.get)().f() == (3.0, "b", "2\\n    kept")
print(code_hash(bundles[-1], table.get))
"""
PACKAGES = [str(Path(module.__file__).parents[1]) for module in (emerge_wasm, msgpack) if module.__file__]


def run(*args: str, python: str = sys.executable, text: str | None = None, cwd: Path | None = None) -> str:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(PACKAGES)}
    done = subprocess.run([python, *args], input=text, capture_output=True, text=True, env=environment, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The hash of the class in a script."""
    script = tmp_path_factory.mktemp("script") / "script.py"
    script.write_text(CLASS + TELL)
    return run(str(script))


def test_a_module(expected: str, tmp_path: Path) -> None:
    (tmp_path / "stock.py").write_text(CLASS)
    assert run("-c", "from stock import Item\n" + TELL, cwd=tmp_path) == expected


def test_a_module_run_by_name(expected: str, tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").write_text("")
    (tmp_path / "shop" / "util.py").write_text(CLASS.partition("@dataclass")[0])
    body = "from .util import *\nfrom .util import rate\nfrom dataclasses import dataclass, field\n@dataclass"
    text = "from __future__ import annotations\n" + body + CLASS.partition("@dataclass")[2]
    (tmp_path / "shop" / "__main__.py").write_text(text + TELL)
    assert run("-m", "shop", cwd=tmp_path) == expected


@pytest.mark.parametrize(
    "flags", [["-c"], ["-I", "-X", "utf8", "-c"], ["-Bc"], ["-O", "-c"], ["-X", "no_debug_ranges", "-c"]]
)
def test_a_command(expected: str, flags: list[str]) -> None:
    if "-I" in flags:
        flags = [flag for flag in flags if flag != "-I"]
    assert run(*flags, CLASS + TELL, "argument", "-c") == expected


def test_a_command_joined_to_its_flag(expected: str) -> None:
    assert run("-c" + CLASS + TELL) == expected


@pytest.mark.parametrize("version", ["3.12", "3.13", "3.14"])
def test_other_pythons_give_the_same_hash(expected: str, version: str, tmp_path: Path) -> None:
    python = interpreter(version)
    if python is None:
        pytest.skip(f"no python{version} here")
    script = tmp_path / "script.py"
    script.write_text(CLASS + TELL)
    assert run(str(script), python=python) == expected
    assert run("-c", CLASS + TELL, python=python) == expected


def interpreter(version: str) -> str | None:
    """A Python of that version that starts (a version manager's shim may not)."""
    versions = Path.home().glob(f".pyenv/versions/{version}.*/bin/python")
    for found in [*map(str, versions), shutil.which(f"python{version}")]:
        if found and subprocess.run([found, "-c", ""], capture_output=True).returncode == 0:
            return found
    return None


def test_a_zip_has_its_source(expected: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "shop.zip", "w") as archive:
        archive.writestr("stock.py", CLASS)
    assert (
        run("-c", f"import sys\nsys.path[0] = {str(tmp_path / 'shop.zip')!r}\nfrom stock import Item\n" + TELL)
        == expected
    )


def test_compiled_code_alone_is_named_as_that(tmp_path: Path) -> None:
    (tmp_path / "source.py").write_text(CLASS)
    py_compile.compile(str(tmp_path / "source.py"), str(tmp_path / "stock.pyc"))
    tell = "from stock import Item\nfrom emerge_wasm.bundles import capture\ntry:\n    capture(Item)\n"
    tell += "except Exception as e:\n    print(e)"
    assert "only compiled code (put stock.py beside it)" in run("-c", tell, cwd=tmp_path)


def test_standard_input_has_no_source() -> None:
    tell = "\nfrom emerge_wasm.bundles import capture\ntry:\n    capture(Item)\nexcept Exception as e:\n    print(e)\n"
    assert "from standard input" in run(text=CLASS + tell)


@pytest.mark.parametrize("version", ["3.13", "3.14"])
def test_a_repl_that_keeps_its_source(version: str) -> None:
    python = interpreter(version)
    if python is None:
        pytest.skip(f"no python{version} here")
    lines = [line for line in (CLASS + TELL).splitlines() if line.strip()]
    typed = [("" if not line.startswith((" ", '"')) else None, line) for line in lines]  # a blank line ends a block
    text = "".join(f"{'' if blank is None else chr(10)}{line}\n" for blank, line in typed)
    text = text.replace("@dataclass\n\n", "@dataclass\n").replace("    kept", "    kept")
    assert re.search(r"\b[0-9a-f]{64}\b", run("-i", "-q", python=python, text=text + "\n"))


class Console:
    """Cells as a console runs them: each compiled under a name of its own, in one namespace."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.module = ModuleType("cells")
        monkeypatch.setitem(sys.modules, "cells", self.module)  # patched: as a console's module is there
        self.count = 0

    def run(self, text: str, flags: int = 0) -> None:
        self.count += 1
        filename = f"<cell {id(self)} {self.count}>"
        keep_source(filename, text)
        exec(compile(text, filename, "exec", flags, dont_inherit=True), vars(self.module))

    def __getattr__(self, name: str) -> Any:
        return vars(self.module)[name]


@pytest.fixture
def console(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    before = set(linecache.cache)
    yield Console(monkeypatch)
    for filename in set(linecache.cache) - before:
        del linecache.cache[filename]


def test_only_so_many_parsed_texts_are_remembered(console: Console) -> None:
    def parsed(filename: str) -> Unit:
        keep_source(filename, f"x = {filename!r}")
        unit = unit_of(filename)
        assert unit is not None and unit is unit_of(filename)
        return unit

    first = weakref.ref(parsed("<first>"))
    for number in range(UNITS_KEPT):
        parsed(f"<text {number}>")
    gc.collect()
    assert first() is None


def test_one_cell(console: Console, expected: str) -> None:
    console.run(CLASS)
    assert code(console.Item) == expected


def test_names_from_earlier_cells(console: Console) -> None:
    console.run("from dataclasses import dataclass, field\nfrom emerge_wasm import EmergeFile\nimport math as m, re")
    console.run("LIMIT = 3\nPATTERN = re.compile('a+')\nfrom functools import lru_cache\nfrom pathlib import Path")
    console.run("@lru_cache\ndef twice(n):\n    return n * 2")
    console.run("@dataclass\nclass Part:\n    n: int = 1")
    console.run(
        "@dataclass\nclass Item(EmergeFile):\n    part: Part = field(default_factory=Part)\n    def f(self):\n"
        "        return twice(LIMIT), m.floor(2.5), PATTERN.findall('aab'), self.part.n, Path('/a').name"
    )
    assert reload(console.Item)().f() == (6, 2, ["aa"], 1, "a")


def test_a_cell_run_again(console: Console) -> None:
    cell = (
        "from emerge_wasm import EmergeFile\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass Item(EmergeFile):\n    n: int = {}\n"
    )
    console.run(cell.format(1))
    first = console.Item
    console.run(cell.format(2))
    second = console.Item
    console.run(cell.format(1))
    third = console.Item
    assert pack(first)[0] == pack(third)[0] != pack(second)[0]


def test_a_cell_with_only_fields_changed_and_run_again(console: Console) -> None:
    """Nothing in such a class says which text it came from, but the newest is that of the current one."""
    cell = "from dataclasses import dataclass\n@dataclass\nclass Item:\n    n: int = {}\n"
    console.run(cell.format("int()"))
    first = console.Item
    console.run(cell.format("int(0)"))
    assert "int(0)" in capture(console.Item)[-1].source
    if sys.version_info < (3, 14):
        with pytest.raises(CannotShip, match="2 definitions that fit"):
            capture(first)


def test_cells_under_a_lasting_future(console: Console) -> None:
    import __future__

    text = "from dataclasses import dataclass\n@dataclass\nclass Item:\n    n: Missing = 1\n    def f(self): return 1\n"
    console.run(text, __future__.annotations.compiler_flag)
    assert reload(console.Item)().n == 1


def test_a_class_derived_from_a_loaded_one(console: Console) -> None:
    console.run(CLASS)
    loaded = reload(console.Item)
    vars(console.module)["Base"] = loaded
    console.run(
        "from dataclasses import dataclass\n"
        "@dataclass\nclass Child(Base):\n    def g(self):\n        return self.f()[1]"
    )
    assert reload(console.Child)().g() == "b"


def test_a_module_whose_name_another_took(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two files of one name, as test runners load them: each class has the names of its own file."""
    text = "from dataclasses import dataclass\nfrom emerge_wasm import EmergeFile\nFACTOR = {}\n"
    text += "@dataclass\nclass Twin(EmergeFile):\n    def factor(self): return FACTOR\n"
    made = []
    for factor in (2, 3):
        path = tmp_path / str(factor) / "twin_module.py"
        path.parent.mkdir()
        path.write_text(text.format(factor))
        spec = importlib.util.spec_from_file_location("twin_module", path)
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, "twin_module", module)  # patched: as a test runner puts it there
        spec.loader.exec_module(module)
        made.append(module.Twin)
    assert ["FACTOR = 2" in capture(made[0])[-1].preamble, "FACTOR = 3" in capture(made[1])[-1].preamble] == [
        True,
        True,
    ]
