"""What a type checker, an editor and an interactive shell know of `fs`: every operation, its arguments, its result."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path
from rlcompleter import Completer

import pytest

import emerge_wasm
from buildtools import sync_client
from emerge_wasm import connect
from emerge_wasm.operations import TABLE

GOOD = """
from emerge_wasm import EmergeFile, connect, fs

reveal_type(fs)
reveal_type(fs.search)
reveal_type(fs.store(EmergeFile(name="a")))
reveal_type(fs.hello()["node"])
reveal_type(fs.search("o.size > 1", limit=3).errors["count"])
reveal_type(fs.versions("/a")[0]["author"])
reveal_type([change["path"] for change in fs.watch("/")])
reveal_type(fs.as_user("ada").list("/")[0].full_path)
with fs.transaction() as tx, connect("a:1") as other:
    reveal_type(tx)
    reveal_type(other.get("/a", as_of=None))
"""

REVEALED = [
    "emerge_wasm.clients.sync.SyncClient",
    "def (predicate: (def (Any) -> object) | str | None =, path: str =, *, order_by: str =, descending: bool =, "
    "limit: int | None =, cursor: str =, as_of: datetime.datetime | str | None =, "
    "code: Literal['stored'] | Literal['mine'] =) -> "
    "emerge_wasm.clients.searches.SearchResult",
    "emerge_wasm.objects.Pointer",
    "str",
    "int",
    "str",
    "list[str]",
    "str",
    "emerge_wasm.clients.sync.SyncClient",
    "emerge_wasm.objects.Pointer",
]

WRONG = [
    ("fs.serach(None)", '"SyncClient" has no attribute "serach"'),
    ("fs.search(path=3)", 'Argument "path" to "search" of "SyncClient" has incompatible type "int"'),
    ('fs.get("/a", verison=3)', 'Unexpected keyword argument "verison" for "get"'),
    ("fs.mkdir()", 'Missing positional argument "path" in call to "mkdir"'),
    ('fs.store("a")', 'Argument 1 to "store" of "SyncClient" has incompatible type "str"'),
    ('fs.hello()["nod"]', 'TypedDict "NodeInfo" has no key "nod"'),
    ('fs.get("/a").versoin', '"Pointer" has no attribute "versoin"'),
    ("from emerge_wasm import fss", 'Module "emerge_wasm" has no attribute "fss"'),
]


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What mypy says of a user's scripts, with the package as it is installed (its `py.typed`)."""
    folder = tmp_path_factory.mktemp("script")
    environment = {name: value for name, value in os.environ.items() if name != "MYPYPATH"}
    scripts = {"good.py": GOOD, "wrong.py": "\n".join(["from emerge_wasm import fs", *(line for line, _ in WRONG)])}
    for name, text in scripts.items():
        (folder / name).write_text(text)
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", f"--cache-dir={os.devnull}", *scripts]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=200, check=False
    )
    lines = (done.stdout + done.stderr).splitlines()
    return {name: "\n".join(line for line in lines if line.startswith(f"{name}:")) for name in scripts}


def test_the_package_says_that_it_is_typed() -> None:
    assert (Path(emerge_wasm.__file__).parent / "py.typed").exists()


def test_types_are_known(said: dict[str, str]) -> None:
    good = said["good.py"]
    assert re.findall(r'Revealed type is "(.*)"', good.replace("builtins.", "")) == REVEALED
    assert "error:" not in good


def test_mistakes_are_found(said: dict[str, str]) -> None:
    for number, (_, words) in enumerate(WRONG, 2):
        assert f"wrong.py:{number}: error: {words}" in said["wrong.py"]


def test_what_is_written_from_the_table_is_up_to_date() -> None:
    for file, text in ((sync_client.PLAIN, sync_client.plain_text()), (sync_client.SYNC, sync_client.sync_text())):
        assert file.read_text() == text, "run python -m buildtools.sync_client"


def test_completion_shows_the_operations_with_their_documentation() -> None:
    """As IPython and the interactive interpreter look: by `dir`, `inspect.signature` and `inspect.getdoc`."""
    fs = connect("127.0.0.1:9")
    completer = Completer({"fs": fs})
    offered = {match for number in range(len(dir(fs))) if (match := completer.complete("fs.", number))}
    for name in set(TABLE) - {"classes"}:
        assert any(match.startswith(f"fs.{name}(") for match in offered)
        method = getattr(fs, name)
        assert inspect.getdoc(method) and "self" not in inspect.signature(method).parameters
    with pytest.raises(AttributeError, match=r"no 'serach'; it has: .*\bsearch\b"):
        fs.serach()
