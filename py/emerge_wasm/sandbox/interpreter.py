"""The Python interpreters that workers run under: the node's own, and others that are installed beside it."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Timer
from typing import TypedDict

from ..bundles.grammar import BASE_GRAMMAR, Grammar
from ..bundles.needed_python import version_of, version_text
from ..errors import Unavailable

_PATIENCE = 20.0
_LONGEST = 1 << 20
_ASK = """
import json, platform, sys
said = {"kind": platform.python_implementation(), "version": platform.python_version(), "path": sys.executable}
if sys.version_info >= (3, 11):
    from importlib import metadata
    from importlib.util import find_spec
    said["paths"] = [path for path in sys.path if path]
    said["found"] = [name for name in sys.argv[1:] if find_spec(name.partition(".")[0])]
    if find_spec("msgpack") and metadata.version("msgpack").partition(".")[0] != "0":
        said["found"].append("msgpack")
print(json.dumps(said))
"""
_REMEDY = "name a CPython of at least {} that is installed here, such as python3.13 or /usr/bin/python3.13"


class _Said(TypedDict):
    """What an interpreter says of itself; `paths` and `found` only where Emerge may run on it."""

    kind: str
    version: str
    path: str
    paths: list[str]
    found: list[str]


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python on this machine. `paths` is its `sys.path`; `shared` are the folders of packages that it takes from the
    node, by name; `found` are those packages that it has itself, of those it was asked for (None: not asked)."""

    path: str
    version: str
    paths: tuple[str, ...]
    shared: dict[str, str] = field(default_factory=dict)
    found: frozenset[str] | None = None

    @property
    def grammar(self) -> Grammar:
        """The newest grammar that it parses."""
        return version_of(self.version)


def own_interpreter() -> Interpreter:
    """Return the one that runs this."""
    return Interpreter(sys.executable, platform.python_version(), tuple(path for path in sys.path if path))


async def find_interpreter(name: str, packages: Sequence[str] = ()) -> Interpreter:
    """Find an interpreter by its path or its name, and ask which of these packages it has.

    Raises:
        Unavailable: there is none, it does not start, or Emerge does not run on it.
    """
    reason = "there is no such program"
    for path in _candidates(name):
        try:
            said = await asyncio.to_thread(_ask, path, packages)
        except OSError as error:
            reason = f"it does not start as a Python: {error}"
            continue
        if said["kind"] != "CPython" or "found" not in said:
            reason = f"it is {said['kind']} {said['version']}"
            break
        found = frozenset(said["found"])
        shared = {each: _folder(each) for each in ("msgpack", "emerge_wasm") if each not in found - {"emerge_wasm"}}
        return Interpreter(said["path"], said["version"], tuple(said["paths"]), shared, found)
    remedy = _REMEDY.format(version_text(BASE_GRAMMAR))
    raise Unavailable(f"methods cannot run under {name}: {reason}", remedy=remedy)


def _candidates(name: str) -> Iterator[str]:
    """Yield the programs of a name: those on the path, then the versions of pyenv, whose shim may refuse."""
    if os.path.basename(name) != name:
        yield os.path.expanduser(name)
        return
    for folder in os.get_exec_path():
        if (path := shutil.which(name, path=folder)) is not None:
            yield path
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for found in sorted(root.glob(f"versions/*/bin/{name}"), reverse=True):
        yield str(found)


def _ask(path: str, packages: Sequence[str]) -> _Said:
    """Return what an interpreter says of itself. Raises OSError when it does not answer."""
    with subprocess.Popen(
        [path, "-I", "-X", "utf8", "-c", _ASK, *packages],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as child:
        assert child.stdout is not None and child.stderr is not None
        timer = Timer(_PATIENCE, _end, [child])
        timer.start()
        try:
            line = child.stdout.readline(_LONGEST)
            try:
                said: _Said = json.loads(line)
            except ValueError:
                words = b"" if line else child.stderr.readline(_LONGEST)
                raise OSError(words.decode(errors="replace").strip()[:200] or "it said something else") from None
        finally:
            timer.cancel()
            _end(child)
    if not isinstance(said, dict) or not {"kind", "version", "path"} <= set(said):
        raise OSError("it said something else")
    return said


def _end(child: subprocess.Popen[bytes]) -> None:
    """End a program and what it started."""
    with suppress(OSError):
        os.killpg(child.pid, signal.SIGKILL)


def _folder(package: str) -> str:
    return os.path.dirname(os.path.abspath(__import__(package).__file__ or ""))
