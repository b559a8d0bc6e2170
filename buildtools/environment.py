"""The environment: a virtual environment from the hash-pinned lock, and node_modules from the package lock."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from pathlib import Path

from .step import ROOT, BuildError, once, run

VENV = ROOT / ".venv"
SCRIPTS = VENV / ("Scripts" if sys.platform == "win32" else "bin")
PYTHON = SCRIPTS / ("python.exe" if sys.platform == "win32" else "python")
LOCKS = [ROOT / "requirements" / "dev.txt", ROOT / "requirements" / "host.txt"]
PYTHON_NEEDED = (3, 11)
NODE_NEEDED = (20, 19)
NPM_NEEDED = (10, 0)


def _version(command: str) -> tuple[int, ...]:
    program = shutil.which(command)
    if program is None:
        raise BuildError(f"{command} was not found: install Node.js {NODE_NEEDED[0]} or newer, npm comes with it")
    text = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    return tuple(int(part) for part in text.strip().lstrip("v").split("-")[0].split("."))


def _need(name: str, found: tuple[int, ...], needed: tuple[int, ...]) -> None:
    if found < needed:
        shown, wanted = (".".join(map(str, version)) for version in (found, needed))
        raise BuildError(f"{name} {shown} is too old: Emerge needs {name} {wanted} or newer")


def check_python() -> None:
    """BuildError when this Python is too old."""
    _need("Python", sys.version_info[:2], PYTHON_NEEDED)


def npm() -> str:
    """The npm program; BuildError when it or Node is missing or too old."""
    _need("Node.js", _version("node"), NODE_NEEDED)
    _need("npm", _version("npm"), NPM_NEEDED)
    return str(shutil.which("npm"))


def node() -> str:
    """The node program."""
    return str(shutil.which("node"))


def _make_venv() -> None:
    if not PYTHON.exists():
        venv.create(VENV, with_pip=True, clear=VENV.exists())
    install = (PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    run(*install, "--require-hashes", "--prefer-binary", "-r", LOCKS[0])
    run(*install, "--require-hashes", "--no-deps", "-r", LOCKS[1])
    run(*install, "--no-deps", "--no-build-isolation", "--editable", ROOT)


def make_python() -> None:
    """.venv with everything of the locks and the package itself, editable."""
    inputs = [*LOCKS, ROOT / "pyproject.toml"]
    once("python packages", inputs, [PYTHON, SCRIPTS / "emerge"], _make_venv, sys.version)


def refuse_shared(modules: Path) -> None:
    """BuildError when node_modules is a link: npm would empty the folder that it leads to."""
    if modules.is_symlink():
        raise BuildError(
            f"{modules} leads to {modules.resolve()}, and the package lock here has changed: installing would empty"
            f" that folder. Remove the link, or copy the folder in its place, and build again"
        )


def make_node() -> None:
    """node_modules, exactly as in the package lock."""

    def install() -> None:
        refuse_shared(ROOT / "node_modules")
        run(npm(), "ci", "--no-audit", "--no-fund", "--loglevel=error")

    inputs = [ROOT / "package.json", ROOT / "package-lock.json", ROOT / ".npmrc"]
    once("node packages", inputs, [ROOT / "node_modules" / "vite"], install)


def make() -> None:
    """Both environments."""
    check_python()
    make_python()
    make_node()


def tool(name: str) -> Path:
    """A command of the virtual environment."""
    return SCRIPTS / (f"{name}.exe" if sys.platform == "win32" else name)
