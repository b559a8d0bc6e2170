"""Command lines of `%pip`, the lines that pin a notebook's packages, and which of them code uses."""

from __future__ import annotations

import ast
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emerge_wasm.browser.console.magic import prepare
from emerge_wasm.browser.failure import failure_of
from emerge_wasm.browser.library import imported_modules, is_importable
from emerge_wasm.browser.packages.catalogue import CellCatalogue
from emerge_wasm.browser.packages.download import LARGE, Download
from emerge_wasm.browser.packages.installed import pins_of
from emerge_wasm.browser.packages.pin import Pin, name_of, normalise, order, parse_pin
from emerge_wasm.browser.packages.pip import parse_pip
from emerge_wasm.errors import Invalid
from tests.wheels import make_wheel, sha256

NAMES = st.sampled_from(["a", "Z9", "two_words", "Some.Thing", "x--y", "numpy", "a-b.c_d"])
VERSIONS = st.sampled_from(["1", "2.4.3", "1!2.0", "1.0rc1", "1.0.post1", "2026.6", "1.0+local.1"])


@given(NAMES, VERSIONS, st.binary(max_size=4))
def test_a_pin_is_read_as_it_was_written(name: str, version: str, data: bytes) -> None:
    pin = Pin(normalise(name), version, sha256(data))
    assert parse_pin(str(pin)) == pin and name_of(str(pin)) == normalise(name)
    assert order([pin, pin]) == [str(pin)]
    assert parse_pin(f"{name}=={version}") is None and name_of(f"{name}[extra]>={version}") == normalise(name)


@given(st.lists(NAMES, min_size=1, max_size=4), st.booleans())
def test_packages_of_an_install(names: list[str], quiet: bool) -> None:
    command = parse_pip(f"install {' '.join(names)}{' -q' if quiet else ''} -U  # a comment")
    assert (command.action, command.names, command.quiet, command.upgrade) == ("install", names, quiet, True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "do nothing"),
        ("instal x", "instal"),
        ("install", "needs a package"),
        ("install -r file.txt", "does not know -r"),
        ("install 'x", "quotation"),
        ("install /tmp/x.whl", "names no package"),
        ("install https://files.example/x-1.0-py3-none-any.whl", "its own relay alone"),
        ("list --pre", "does not know --pre"),
    ],
)
def test_what_pip_cannot(text: str, message: str) -> None:
    with pytest.raises(Invalid, match=message):
        parse_pip(text)


def test_pip_in_a_cell_is_awaited_where_it_stands() -> None:
    for line in ("%pip install x", "!pip install x", "! python -m pip install x"):
        prepared = prepare(f"import json\nif True:\n    {line}\nimport x", "<cell 1>")
        assert "await __emerge_tools__.pip('install x')" in ast.unparse(prepared.tree)
        assert imported_modules(prepared.code) == {"json", "x"}


def test_what_to_do_about_a_module() -> None:
    assert "--wheels" in CellCatalogue().advice("numpy") and "--packages pypi" in CellCatalogue().advice("numpy")
    assert "%pip install" in CellCatalogue(indexes=["pypi.org"]).advice("numpy")
    assert "away" in CellCatalogue(indexes=["pypi.org"], failed=["it is away"]).advice("numpy")
    left = CellCatalogue(left_out={"py-arrow": "py_arrow-1.whl, which is for another Python or machine"})
    assert "py_arrow-1.whl, which is for" in left.advice("py_arrow") and "--wheels" in left.advice("numpy")
    error = ModuleNotFoundError("No module named 'numpy'", name="numpy")
    error.remedy = CellCatalogue().advice("numpy")  # type: ignore[attr-defined]  # as the loader does
    assert failure_of(error)["remedy"] == CellCatalogue().advice("numpy")
    assert is_importable("json") and not is_importable("no_such_module") and not is_importable("__main__.x")


def test_the_files_that_code_uses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site"
    wheels = [
        make_wheel(tmp_path, "Top.Level", "2.0", modules={"one/__init__.py": "", "two.py": ""}, requires=["under>=1"]),
        make_wheel(tmp_path, "under", "1.0", requires=["further; extra == 'x'"]),
        make_wheel(tmp_path, "further", "1.0"),
        make_wheel(tmp_path, "own", "1.0"),
        make_wheel(tmp_path, "locked", "3.0"),
    ]
    _install(wheels, site)
    for wheel in wheels[:3]:
        info = next(site.glob(f"{wheel.name.split('-')[0]}-*.dist-info"))
        url = f"http://127.0.0.1:8080/packages/file/{sha256(wheel.read_bytes())}/{wheel.name}"
        (info / "PYODIDE_URL").write_text(url)
    (next(site.glob("locked-*.dist-info")) / "PYODIDE_SOURCE").write_text("pyodide")
    monkeypatch.syspath_prepend(str(site))  # patched: packages are looked for in sys.path
    locked: dict[str, dict[str, object]] = {"locked": {"file_name": f"/packages/file/{'a' * 64}/locked-3.0.whl"}}

    def names(modules: Sequence[str], also: Sequence[str] = ()) -> list[str]:
        return sorted(pin.name for pin in pins_of(modules, also, locked))

    assert names(["two"]) == ["top-level", "under"] and names(["json", "own"]) == []
    assert names([], ["Further"]) == ["further"]
    assert pins_of(["locked"], (), locked) == [Pin("locked", "3.0", "a" * 64)]


def _install(wheels: Sequence[Path], site: Path) -> None:
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site)


@given(st.lists(st.tuples(st.integers(1, 5 * LARGE), st.integers(1, 9), st.booleans()), min_size=1, max_size=4))
def test_bytes_that_have_come_are_told_and_in_the_end_all_of_them(files: list[tuple[int, int, bool]]) -> None:
    lines: list[str] = []
    download = Download(lines.append)
    for at, (size, pieces, known) in enumerate(files):
        for piece in range(1, pieces + 1):
            download.hear(f"{at}.whl", size * piece // pieces, size if known else 0)
    large = sum(size for size, _, _ in files if size >= LARGE)
    assert lines[-1:] == ([f"{large / 1e6:.1f} of {large / 1e6:.1f} MB"] if large else [])
