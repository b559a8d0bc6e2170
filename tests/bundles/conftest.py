"""A class is taken through bytes: captured, forgotten, and loaded as another process would."""

from __future__ import annotations

import importlib.util
import linecache
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from emerge_wasm.bundles import capture, load, load_class
from emerge_wasm.bundles.bundle import code_hash
from emerge_wasm.bundles.registry import forget

Table = dict[str, bytes]


def pack(cls: type) -> tuple[str, Table]:
    """The hash of a class and the bytes of every bundle it needs."""
    bundles = capture(cls)
    return bundles[-1].hash, {bundle.hash: bundle.data for bundle in bundles}


def code(cls: type) -> str:
    """The hash of a class's code, whichever module defined it."""
    *_, own = bundles = capture(cls)
    return code_hash(own, {bundle.hash: bundle.data for bundle in bundles}.get)


def reload(cls: type) -> Any:
    """The class as another process gets it. It must capture to the same hash there."""
    hash, table = pack(cls)
    forget()
    loaded = load(hash, table.get)
    assert loaded is not cls
    assert capture(loaded)[-1].hash == hash
    assert load(hash, table.get) is loaded
    return loaded


def new_console() -> None:
    """Forget all that was typed: a process has one console, and what its names are made from is all that is there."""
    for filename in [name for name in linecache.cache if name.startswith("<") and not name.startswith("<emerge:")]:
        del linecache.cache[filename]


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    # patched: the process that another one stands for here has none of this one's classes
    monkeypatch.setattr(load_class, "resolve", lambda bundle, find: None)
    forget()
    new_console()
    yield
    forget()


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., ModuleType]:
    """Make and import a module of the user's from its text."""

    def make(text: str, name: str = "stock") -> ModuleType:
        path = tmp_path.joinpath(*name.split(".")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec and spec.loader
        found = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, found)  # patched: a module of the user's is there by name
        spec.loader.exec_module(found)
        return found

    return make
