"""Which store a URL opens, and what is said when there is none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from emerge_wasm.errors import Invalid, Unavailable
from emerge_wasm.stores import ENGINES, Engine, open_store


@pytest.mark.parametrize("url", ["mongodb://x", "", "store.db", "/tmp/store.db", "SQLITE3:///x"])
async def test_unknown_scheme_names_those_there_are(url: str) -> None:
    with pytest.raises(Invalid) as caught:
        await open_store(url)
    for engine in ENGINES.values():
        assert engine.example in str(caught.value)


async def test_missing_package_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine("no_such_package.store", "Store", "nowhere:", "pip install emerge-wasm[nowhere]")
    monkeypatch.setitem(ENGINES, "nowhere", engine)  # patched: an engine whose package nobody has
    with pytest.raises(Unavailable, match=r"pip install emerge-wasm\[nowhere\]"):
        await open_store("nowhere:")


async def test_indexeddb_outside_a_browser() -> None:
    with pytest.raises(Unavailable, match="browser"):
        await open_store("indexeddb://name")


@pytest.mark.parametrize(
    "url",
    [
        "memory:?size=3",
        "sqlite:///x.db?sync=no",
        "sqlite:///x.db?durability=none",
        "sqlite:///x.db?wait=long",
        "sqlite:///x.db?wait=-1",
        "sqlite:///x.db?wait=nan",
        "sqlite:///",
        "sqlite:",
        "sqlite://host/x.db",
        "sqlite:///:memory:",
        "sqlite:///a%00b.db",
        "indexeddb://",
        "indexeddb://x?durability=none",
    ],
)
async def test_wrong_option_or_place(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Invalid):
        await open_store(url)
    assert os.listdir() == []


async def test_relative_absolute_and_quoted_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for url, path in [
        ("sqlite:///a.db", "a.db"),
        (f"sqlite:///{tmp_path}/b.db", "b.db"),
        ("sqlite:///deep/er/c.db", "deep/er/c.db"),
        ("SQLite:///a%20b%3f.db", "a b?.db"),
    ]:
        await (await open_store(url)).close()
        assert (tmp_path / path).is_file()


def test_browser_engines_need_no_sqlite() -> None:
    code = (
        "import sys, emerge_wasm.stores.memory, emerge_wasm.stores.indexeddb.store; sys.exit('sqlite3' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
