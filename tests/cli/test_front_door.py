"""What one sees who installed Emerge without the extras that a command needs: which one, and no traceback."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import venv
from importlib.util import find_spec
from pathlib import Path

import pytest

import emerge_wasm
from tests.conftest import ROOT

BARE = ["msgpack"]
"""What `pip install emerge-wasm` brings."""

CALL = """
from emerge_wasm import Unavailable, connect, fs
try:
    {}.hello()
except Unavailable as error:
    print(error)
"""

PYTHON = Path("Scripts" if sys.platform == "win32" else "bin") / "python"


def make_environment(folder: Path, packages: list[str]) -> Path:
    """A virtual environment that has Emerge and these packages, and nothing else; its Python."""
    venv.create(folder, with_pip=False, symlinks=sys.platform != "win32")
    shared = folder / "shared"
    shared.mkdir()
    for package in packages:
        spec = find_spec(package)
        assert spec is not None and spec.origin is not None
        (shared / package).symlink_to(Path(spec.origin).parent)
    (site,) = folder.rglob("site-packages")
    (site / "shared.pth").write_text(f"{Path(emerge_wasm.__file__).parents[1]}\n{shared}\n")
    return folder / PYTHON


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_environment(tmp_path_factory.mktemp("bare"), BARE)


@pytest.fixture(scope="module")
def with_cli(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_environment(tmp_path_factory.mktemp("cli"), [*BARE, "click"])


def run(python: Path, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a script there, on its own."""
    command = [str(python), "-I", "-c", script, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def emerge() -> str:
    """What the installed command `emerge` does."""
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    module, name = scripts["emerge"].split(":")
    return f"import sys; from {module} import {name}; sys.exit({name}())"


def test_the_command_line_without_its_extra(bare: Path) -> None:
    done = run(bare, emerge(), "ls")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "emerge needs the package click: pip install 'emerge-wasm[cli,node]'\n"


def test_a_client_without_its_extra(bare: Path) -> None:
    done = run(
        bare, "from emerge_wasm import fs, Unavailable\ntry: fs.hello()\nexcept Unavailable as error: print(error)"
    )
    assert done.stdout == "the package zmq is not installed (pip install 'emerge-wasm[node]')\n"


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("ws://127.0.0.1:9", "the package websockets is not installed (pip install 'emerge-wasm[websocket]')"),
        ("http://127.0.0.1:9", "the package httpx is not installed (pip install 'emerge-wasm[rest]')"),
    ],
)
def test_each_transport_names_its_own(bare: Path, address: str, said: str) -> None:
    script = (
        f"import emerge_wasm as e\ntry: e.connect({address!r}).hello()\nexcept e.Unavailable as error: print(error)"
    )
    done = run(bare, script)
    assert (done.stdout, done.stderr) == (f"{said}\n", "")


def test_a_command_without_the_transport(with_cli: Path) -> None:
    done = run(with_cli, emerge(), "-h", "127.0.0.1:9", "ls")
    assert (done.returncode, done.stdout) == (7, "")
    assert done.stderr == "error: the package zmq is not installed\n  pip install 'emerge-wasm[node]'\n"


def test_servers_without_their_extras(with_cli: Path) -> None:
    for command in (["node", "start"], ["up"]):
        done = run(with_cli, emerge(), *command)
        assert done.returncode == 7 and "pip install 'emerge-wasm[" in done.stderr and "Traceback" not in done.stderr


def test_the_command_line_says_what_it_can(with_cli: Path) -> None:
    done = run(with_cli, emerge(), "--help")
    assert done.returncode == 0 and "Commands:" in done.stdout
