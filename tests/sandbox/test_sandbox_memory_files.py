"""The files that a worker can read: what is kept of a tree, and what is told of it."""

from __future__ import annotations

import os
import py_compile
from importlib.util import cache_from_source
from pathlib import Path

import pytest

from emerge_wasm.sandbox.worker.memory_files import LARGE, MemoryFiles


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "skipped").mkdir()
    (tmp_path / "sub").mkdir()
    for name in ("fresh.py", "stale.py", "bare.py", "sub/data.txt", "skipped/data.txt", "lib.so"):
        (tmp_path / name).write_text(f"NAME = {name!r}\n")
    for name in ("fresh.py", "stale.py"):
        py_compile.compile(str(tmp_path / name))
    (tmp_path / "stale.py").write_text("NAME = 'edited since'\n")
    (tmp_path / "large.bin").write_bytes(b"x" * LARGE)
    return tmp_path


def kept(tree: Path) -> MemoryFiles:
    files = MemoryFiles()
    files.add_tree(str(tree), {"skipped"})
    files.serving = True
    return files


def test_compiled_forms_are_kept_only_while_they_belong_to_their_text(tree: Path) -> None:
    files = kept(tree)
    fresh, stale, bare = (str(tree / name) for name in ("fresh.py", "stale.py", "bare.py"))
    assert cache_from_source(fresh) in files and fresh not in files
    assert cache_from_source(stale) not in files and files.read(stale) == b"NAME = 'edited since'\n"
    assert bare in files and str(tree / "lib.so") not in files
    assert files.read(str(tree / "large.bin")) == b"x" * LARGE


def test_names_and_kinds_are_those_of_the_tree(tree: Path) -> None:
    files = kept(tree)
    assert files.names(str(tree)) == ["bare.py", "fresh.py", "large.bin", "lib.so", "stale.py", "sub"]
    entries = {entry.name: (entry.is_dir(), entry.stat().st_size) for entry in files.entries(str(tree))}
    assert entries["sub"] == (True, 0) and entries["large.bin"] == (False, LARGE)
    assert files.find(tree / "sub" / ".." / "sub" / "data.txt") == str(tree / "sub" / "data.txt")


def test_what_is_not_kept_is_not_found(tree: Path) -> None:
    files = kept(tree)
    for path in (tree / "skipped" / "data.txt", tree / ".." / "x", tree.parent, "fresh.py", 3, b"x", None):
        assert files.find(path) is None
    files.serving = False
    assert files.find(tree / "bare.py") is None


def test_a_link_out_of_the_tree_is_kept_as_what_it_shows_and_its_folder_is_not_entered(tree: Path) -> None:
    outside = tree.parent / f"{tree.name}-outside"
    outside.mkdir()
    (outside / "file").write_text("outside")
    os.symlink(outside, tree / "folder")
    files = kept(tree)
    assert files.find(tree / "folder" / "file") is None and files.find(outside / "file") is None
