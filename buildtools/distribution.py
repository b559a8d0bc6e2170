"""The Pyodide that the page serves, from our own origin: core, wheels, a lock that names just these, a snapshot.

`dist/pyodide-<hash>/` is what the page loads: the hash is that of all its files, so it is cached for ever. What Emerge
itself needs is there once, as `libraries.tar`, without what runs on machines only.
`dist/pyodide/` is the same for tests, with the wheels that pytest needs inside Pyodide.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
import zipfile
from pathlib import Path
from typing import Any

from .environment import PYTHON, node
from .step import ROOT, WORK, BuildError, digest, once, run, say

DIST = ROOT / "dist"
TESTS = DIST / "pyodide"
CORE = ROOT / "node_modules" / "pyodide"
CORE_FILES = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip")
SNAPSHOT = "snapshot.bin"
LIBRARIES = "libraries.tar"  # what the kernel needs, as the worker unpacks it
ARCHIVES = {"tzdata": "tzdata.zip", "msgpack": None}
"""In it: the archives that Python imports from, as a thousand files take 0.1 s to unpack, and one nothing. By the first
part of a file's name; None for what has native code, and so must be a file."""
ARCHIVE = "libraries.zip"  # of all others
LIBRARY_NAMES = ("msgpack", "emerge_wasm", "tzdata")
PACKAGE = ROOT / "py" / "emerge_wasm"
MACHINES = (
    *("cli", "cluster", "flows", "node", "relay", "rest", "sandbox"),
    *("stores/dynamodb", "stores/postgresql", "stores/s3", "stores/sqlite", "stores/zodb"),
)
"""Parts of the package that no browser can import: they take sockets, processes or libraries that it has not."""
NOT_FOR_BROWSERS = tuple(f"emerge_wasm/{part}/" for part in MACHINES)
STDLIB = "python_stdlib.zip"
DEPENDS = {"emerge-wasm": ["msgpack", "tzdata"], "pytest": ["iniconfig", "packaging", "pluggy", "pygments"]}
PLATFORM = (
    *("--python-version", "3.14", "--implementation", "cp", "--abi", "cp314", "--abi", "none"),
    *("--platform", "pyemscripten_2026_0_wasm32", "--platform", "any"),
)


def fetch(requirements: str) -> list[Path]:
    """The wheels of a lock, from the package index that pip knows, by hash."""
    lock = ROOT / "requirements" / f"{requirements}.txt"
    folder = WORK / "wheels" / requirements

    def download() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        pip = (PYTHON, "-m", "pip", "download", "--quiet", "--disable-pip-version-check")
        run(*pip, "--no-deps", "--only-binary=:all:", "--require-hashes", *PLATFORM, "-r", lock, "-d", folder)

    once(f"wheels for {requirements}", [lock], [folder], download)
    return sorted(folder.glob("*.whl"))


def is_for_browsers(name: str) -> bool:
    """Whether this file of a library is one that a browser can use. A list of hashes is for who uninstalls."""
    return not name.endswith(".dist-info/RECORD") and not name.startswith(NOT_FOR_BROWSERS)


def _own_wheel() -> Path:
    folder = WORK / "wheels" / "emerge"
    shutil.rmtree(folder, ignore_errors=True)
    run(PYTHON, "-m", "hatchling", "build", "-t", "wheel", "-d", folder)
    return next(folder.glob("*.whl"))


def _entry(wheel: Path) -> dict[str, Any]:
    """The lock's entry of a wheel."""
    name, version = wheel.name.split("-")[:2]
    name = name.replace("_", "-").lower()
    with zipfile.ZipFile(wheel) as archive:
        tops = {path.split("/")[0].removesuffix(".py") for path in archive.namelist() if path.endswith(".py")}
    return {
        "name": name,
        "version": version,
        "file_name": wheel.name,
        "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
        "imports": sorted(tops),
        "depends": DEPENDS.get(name, []),
        "install_dir": "site",
        "package_type": "package",
        "unvendored_tests": False,
    }


def _assemble(folder: Path, wheels: list[Path]) -> None:
    """Pyodide's core, these wheels and a lock that names no other package."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in CORE_FILES:
        shutil.copyfile(CORE / name, folder / name)
    _store(folder / STDLIB)
    copies = [Path(shutil.copy(wheel, folder)) for wheel in wheels]
    for copy in copies:
        _store(copy)
    entries = [_entry(copy) for copy in copies]
    lock = json.loads((CORE / "pyodide-lock.json").read_text())
    lock["packages"] = {entry["name"]: entry for entry in entries}
    (folder / "pyodide-lock.json").write_text(json.dumps(lock, indent=1, sort_keys=True) + "\n")


def _store(path: Path) -> None:
    """Write an archive anew without compression of its own: what it is sent by compresses it better."""
    with zipfile.ZipFile(path) as archive:
        files = [(info.filename, archive.read(info)) for info in archive.infolist()]
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files:
            archive.writestr(zipfile.ZipInfo(name), data)


def _pack_libraries(folder: Path, wheels: list[Path]) -> None:
    files: dict[str, bytes] = {}
    archives: dict[str, io.BytesIO] = {}
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as source:
            for name in filter(is_for_browsers, source.namelist()):
                archive = ARCHIVES.get(name.partition("/")[0], ARCHIVE)
                if archive is None:
                    files[name] = source.read(name)
                    continue
                with zipfile.ZipFile(archives.setdefault(archive, io.BytesIO()), "a") as target:
                    target.writestr(zipfile.ZipInfo(name), source.read(name))  # what it is sent by compresses it better
    files |= {name: archive.getvalue() for name, archive in archives.items()}
    with tarfile.open(folder / LIBRARIES, "w", format=tarfile.USTAR_FORMAT) as target:
        for name, data in files.items():
            header = tarfile.TarInfo(name)
            header.size = len(data)
            target.addfile(header, io.BytesIO(data))


def read_libraries(folder: Path) -> dict[str, bytes]:
    """The files of the libraries in a folder of the build."""
    with tarfile.open(folder / LIBRARIES) as outer:
        found = {member.name: file.read() for member in outer if (file := outer.extractfile(member))}
    for name in [name for name in found if name.endswith(".zip")]:
        with zipfile.ZipFile(io.BytesIO(found.pop(name))) as inner:
            found |= {each: inner.read(each) for each in inner.namelist()}
    return found


def _make() -> None:
    own, page = _own_wheel(), WORK / "pyodide"
    wheels = [*fetch("pyodide"), own]
    libraries = [wheel for wheel in wheels if wheel.name.split("-")[0] in LIBRARY_NAMES]
    _assemble(page, [wheel for wheel in wheels if wheel not in libraries])
    _pack_libraries(page, libraries)
    said = run(node(), "buildtools/snapshot.mjs", page, SNAPSHOT, LIBRARIES)
    if not (page / SNAPSHOT).exists():
        say(f"the page will start Python the slow way: {said}")
    for old in DIST.glob("pyodide-*"):
        shutil.rmtree(old)
    page.rename(DIST / f"pyodide-{digest([page])[:16]}")
    _assemble(TESTS, [*wheels, *fetch("pyodide-test")])


def make() -> None:
    """Both folders of Pyodide files."""
    DIST.mkdir(exist_ok=True)
    inputs = [
        PACKAGE,
        *(ROOT / name for name in ("pyproject.toml", "package-lock.json", "requirements")),
        Path(__file__),
    ]
    outputs = [TESTS / "pyodide-lock.json", *([] if _current() else [TESTS / "absent"])]
    parts = [ROOT / name for name in ("buildtools/snapshot.mjs", "buildtools/shorten.py", "web/heap.mjs")]
    once("pyodide files", [*inputs, *parts], outputs, _make)


def _current() -> Path | None:
    return next(DIST.glob("pyodide-*"), None)


def page_folder() -> str:
    """The name of the folder that the page loads Pyodide from."""
    folder = _current()
    if folder is None:
        raise BuildError("dist/pyodide-… is not there: run python3 build.py build")
    return folder.name
