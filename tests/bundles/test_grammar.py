"""Which Python a text needs is told alike on every Python, also on one that cannot parse it."""

from __future__ import annotations

import ast
import json
import subprocess
from pathlib import Path

import pytest

from emerge_wasm.bundles.grammar import BASE_GRAMMAR, constructs, grammar_of, plain_text

from .test_bundle_place import interpreter, run

BASE = {
    "words that may be names": """
type = 1
type[0] = type
print(type)
match = case = t = f = 2
x: type = int
type
x = 1
type if x else type
type in [1]
type(x)
'type X = int'
f(type=1)
class type:
    type: type = 1
""",
    "brackets": """
class A(dict[str, int]): pass
def f(x: list[int] = [1]) -> dict[str, int]: return x[0]
x = A[0]
""",
    "f-strings": r"""
f'{a}' f"{a['b']}" rf'{a}\d{{b}}' f'{a!r:>{w}}' F'{x:%H:%M}' f'\N{EN DASH}\''
f'''{a['b'] + "c"}
{
a}'''
f'{{"}}' f"{'#'}" f'{a != b}' f'{a == b}' f'{a=}' f'{(lambda x: 1)}'
f'{ {1: 2}[1] }' f'\\{a}' f'{a:{b}}' fr'\{a}'
""",
    "except": """
try: pass
except (A, B): pass
try: pass
except (A, B) as e: x, y = 1, 2
try: pass
except* (A, B): pass
try: pass
except f(a, b)[c, d]: pass
try: pass
except: pass
""",
    "comments and strings": r"""
# type X = int
'''
type X = int
class A[T]: pass
'''
x = 'it' # don't
"f'{a[\"b\"]}'"
""",
}
NEWER = {
    "type X = int": (3, 12),
    "type X[T] = list[T]": (3, 12),
    "type \\\nX = int": (3, 12),
    "if 1: type X = int": (3, 12),
    "x = 1; type X = int": (3, 12),
    "class A[T]: pass": (3, 12),
    "class A[\n    T: (int, str),\n    *Ts,\n](dict[str, T]):\n    x: int = 1": (3, 12),
    "def f[T](x: T) -> T: return x": (3, 12),
    "async def f [**P](): pass": (3, 12),
    "class A:\n    def f[T](self, x: T = [1]) -> T: return x": (3, 12),
    "class A[T = int]: pass": (3, 13),
    "type X[T: (A, B) = int] = list[T]": (3, 13),
    "def f[*Ts = *tuple[int]](): pass": (3, 13),
    "f'{a['b']}'": (3, 12),
    'f"{x["a"]}" + \'\'': (3, 12),
    "f'{\", \".join(f'{x}' for x in y)}'": (3, 12),
    "f'{'\\n'.join(x)}'": (3, 12),
    "f\"{'\\n'.join(x)}\"": (3, 12),
    "f'{\na\n}'": (3, 12),
    "f'''{\na # so\n}'''": (3, 12),
    "f'''{a['''b''']}'''": (3, 12),
    "f'{a:{b:{c}}}'": (3, 12),
    "f'{a!r :>3}'": (3, 12),
    "rf'{x['\\d']}'": (3, 12),
    "f'{f'{f'{1}'}'}'": (3, 12),
    'x = 1 if f"{a}" else f"{b["c"]}"': (3, 12),
    "t'{a}'": (3, 14),
    "x = rT'{a}'": (3, 14),
    "f'{t\"{a}\"}'": (3, 14),
    "try: pass\nexcept A, B: pass": (3, 14),
    "try: pass\nexcept (A), (B): pass": (3, 14),
    "try: pass\nexcept* A, B.c: pass": (3, 14),
    "class A[T]:\n    def f(self):\n        try: pass\n        except A, B: return t''": (3, 14),
}
PARSE = (
    "import ast, json, sys\ndef ok(t):\n    try: ast.parse(t)\n    except SyntaxError: return False\n    return True\n"
)
PARSE += "print(json.dumps([ok(text) for text in json.load(sys.stdin)]))"


@pytest.mark.parametrize("text", BASE.values(), ids=list(BASE))
def test_what_every_python_reads(text: str) -> None:
    ast.parse(text)
    assert grammar_of(text) == BASE_GRAMMAR
    assert constructs(text) == []
    assert plain_text(text) == text


@pytest.mark.parametrize(("text", "grammar"), NEWER.items(), ids=list(NEWER))
def test_what_needs_a_newer_python(text: str, grammar: tuple[int, int]) -> None:
    assert grammar_of(text) == grammar
    assert grammar_of("\n" + text) == grammar
    assert constructs("x = '''\n'''\n" + text)[0].line == constructs(text)[0].line + 2
    plain = plain_text(text)
    ast.parse(plain)
    assert plain.count("\n") == text.count("\n")


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13", "3.14"])
def test_each_python_agrees(version: str) -> None:
    """A Python parses exactly the texts that need it or an older one."""
    python = interpreter(version)
    if python is None:
        pytest.skip(f"no python{version} here")
    own = tuple(map(int, version.split(".")))
    done = subprocess.run(
        [python, "-W", "ignore", "-c", PARSE], input=json.dumps([*NEWER]), capture_output=True, text=True
    )
    assert dict(zip(NEWER, json.loads(done.stdout), strict=True)) == {text: need <= own for text, need in NEWER.items()}


@pytest.mark.parametrize(
    "text", ["f'{", "f'{a", "f'{a!", "f'{a:", "'a", "'''", "class A[T", "type X[", "except A,", "f'{(}'", "\\"]
)
def test_a_text_that_is_no_python_is_read_as_far_as_it_goes(text: str) -> None:
    assert grammar_of(text) in (BASE_GRAMMAR, (3, 12))
    assert isinstance(plain_text(text), str)


def test_strings_within_strings_have_an_end() -> None:
    assert grammar_of("f'{" * 5000) == BASE_GRAMMAR
    assert grammar_of("f'{a:{" * 5000) == BASE_GRAMMAR


LAMBDAS = """
import json
from emerge_wasm.bundles.expression import capture_expression
made = [
    lambda o: f"{o.d['a']}" == "x",
    lambda o: f"{o.d['a']} {o.n:>{o.w['k']}}" == "x",
    lambda o: f"{f'{o.a}'}-it's" == "x",
    lambda o: "".join(f"{x['a']}" for x in o.l) + f"{o.b['c']!r}",
    lambda o: f"{o.x}" == 'a',
]
print(json.dumps([capture_expression(one).text for one in made]))
"""


@pytest.mark.parametrize("version", ["3.12", "3.13", "3.14"])
def test_a_lambda_that_every_python_reads_travels_as_one(version: str, tmp_path: Path) -> None:
    """Newer Pythons write the quotes of f-strings without regard to those within."""
    python = interpreter(version)
    if python is None:
        pytest.skip(f"no python{version} here")
    script = tmp_path / "lambdas.py"
    script.write_text(LAMBDAS)
    texts = json.loads(run(str(script), python=python))
    assert [grammar_of(text) for text in texts] == [BASE_GRAMMAR] * 5
