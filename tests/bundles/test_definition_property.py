"""Programs made of many definitions, in one text or many cells, some run again: here is there, or it is refused."""

from __future__ import annotations

import ast
import base64
import json
import random
import re
import subprocess
import sys
from collections.abc import Callable
from types import ModuleType

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from emerge_wasm.errors import CannotShip

from ..scale import examples
from .conftest import forget, load, pack
from .test_definition_effect import EFFECTS
from .test_live_value import HEAD, ITEM, VALUES, both
from .test_redefinition import Cells

Make = Callable[..., ModuleType]
CASES = EFFECTS | VALUES
READ = """
import base64, json, sys
from emerge_wasm.bundles import load
for name, (hash, table) in json.load(sys.stdin).items():
    find = {key: base64.b64decode(data) for key, data in table.items()}
    print(json.dumps([name, repr(load(hash, find.get)().f())]))
"""


def test_a_fresh_process_has_all_of_it(module: Make) -> None:
    expected, sent = {}, {}
    for number, (name, case) in enumerate(CASES.items()):
        expected[name], _, (hash, table) = both(module, *case, name=f"stock{number}")
        sent[name] = hash, {key: base64.b64encode(data).decode() for key, data in table.items()}
    command = [sys.executable, "-c", READ]
    done = subprocess.run(command, input=json.dumps(sent), capture_output=True, text=True, check=True)
    assert dict(map(json.loads, done.stdout.splitlines())) == expected


def own(case: tuple[str, str], number: int) -> tuple[list[str], str]:
    """The statements of a case and what it returns, with names that no other case has."""
    setup, probe = case
    tree = ast.parse(setup)
    stored = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)} - {"len"}
    words = "|".join(sorted(name for name in stored | defined if not name.startswith("_") or name == "_Missing"))

    def renamed(text: str) -> str:
        return re.sub(rf"\b({words})\b", rf"\g<1>{number}", text) if words else text

    return [renamed(ast.unparse(node)) for node in tree.body], renamed(probe)


def interleaved(programs: list[list[str]], choose: random.Random) -> list[str]:
    """All statements, those of each program in their order."""
    left = [list(program) for program in programs if program]
    found = []
    while left:
        program = choose.choice(left)
        found.append(program.pop(0))
        left = [each for each in left if each]
    return found


@settings(
    max_examples=examples(10),
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    deadline=None,
)
@given(st.lists(st.sampled_from(sorted(CASES)), min_size=2, max_size=3, unique=True), st.integers(0, 1000))
def test_programs_of_cells(monkeypatch: pytest.MonkeyPatch, names: list[str], seed: int) -> None:
    """Definitions of several cases in turn, cut into cells anywhere, and a few statements of them run once more."""
    choose = random.Random(seed)
    programs, probes = zip(*(own(CASES[name], number) for number, name in enumerate(names)), strict=True)
    statements = interleaved(list(programs), choose)
    cells = Cells(monkeypatch)
    cells.run(HEAD)
    while statements:
        count = choose.randint(1, len(statements))
        cells.run("\n".join(statements[:count]))
        del statements[:count]
    cells.run(ITEM.format(probe=f"[{', '.join(f'({probe})' for probe in probes)}]"))
    for again in [[], *([choose.choice(program)] for program in programs)]:
        if "class " in "".join(again) and "subclasses" in names:  # the old one is a subclass as long as it lives
            return
        try:
            cells.run("\n".join(again))
        except Exception:
            return  # the program itself does not bear that
        try:
            hash, table = pack(cells.module.Item)
        except CannotShip as error:
            assert again and error.remedy, "what was defined once ships"
            return
        here = outcome(cells.module.Item)
        forget()
        assert outcome(load(hash, table.get)) == here, again


def outcome(cls: type) -> str:
    """What the method returns, or how it fails: the same program fails alike."""
    try:
        return repr(cls().f())  # type: ignore[attr-defined]
    except Exception as error:
        return f"{type(error).__name__}: {error}"
