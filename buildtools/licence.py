"""The licences of all that the page ships and others have written, with their texts, in one file."""

from __future__ import annotations

import email
import json
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

from .step import ROOT, BuildError

TEXTS = ROOT / "page" / "licences"
TEXT = re.compile(r"(^|/)(licen|copying|notice)[^/]*$", re.IGNORECASE)
COMPILED = ("svelte",)
"""What the build needs for itself, and what of it becomes part of the page all the same."""
ALLOWED = {"MIT", "ISC", "Apache-2.0", "BSD-3-Clause", "MPL-2.0", "Python-2.0.1", "(MPL-2.0 OR Apache-2.0)"}
CLASSIC = {"MIT license": "MIT", "Mozilla Public License Version 2.0": "MPL-2.0"}
CORE = """Pyodide's core holds, compiled: CPython (Python-2.0.1, below), parts of Emscripten and its C library (MIT),
zlib (Zlib), bzip2 (bzip2-1.0.6), liblzma (0BSD), Zstandard (BSD-3-Clause), SQLite (public domain), libffi (MIT),
libmpdec and HACL* (BSD-2-Clause, MIT), Expat (MIT).
"""


@dataclass
class Licence:
    """Somebody else's work: its name and version, its licence by SPDX, and the texts that come with it."""

    name: str
    version: str
    spdx: str
    texts: list[str]


def _texts(folder: Path) -> list[str]:
    files = [file for file in sorted(folder.iterdir()) if file.is_file() and TEXT.search(file.name)]
    return [file.read_text("utf-8").strip() for file in files]


def of_npm() -> list[Licence]:
    """What npm's lock says is part of the page, the development's own tools left out."""
    packages = json.loads((ROOT / "package-lock.json").read_text("utf-8"))["packages"]
    found = []
    for path, entry in sorted(packages.items()):
        name = path.rpartition("node_modules/")[2]
        if name and (not entry.get("dev") or name in COMPILED) and (ROOT / path).is_dir():
            texts = _texts(ROOT / path)
            spdx = entry.get("license") or ("MIT" if texts and texts[0].startswith("MIT License") else "")
            found.append(Licence(name, entry["version"], spdx, texts))
    return found


def of_wheel(path: Path) -> Licence:
    """A library of Pyodide's, by the metadata of its wheel."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        metadata = email.message_from_bytes(archive.read(next(n for n in names if n.endswith("dist-info/METADATA"))))
        listed = [name for name in names if ".dist-info/" in name and TEXT.search(name)]
        texts = [archive.read(name).decode().strip() for name in sorted(listed)]
    said = (metadata["License-Expression"] or metadata["License"] or "").partition("\n")[0].strip()
    return Licence(metadata["Name"], metadata["Version"], CLASSIC.get(said, said), texts)


def write(target: Path, wheels: list[Path]) -> None:
    """Write the file.

    Raises:
        BuildError: something is shipped whose licence is not known, or not one that we may ship.
    """
    cpython = Licence("CPython", "3.14", "Python-2.0.1", [(TEXTS / "CPython.txt").read_text("utf-8").strip()])
    found = [*of_npm(), *map(of_wheel, wheels), cpython]
    for licence in found:
        if licence.spdx not in ALLOWED:
            raise BuildError(
                f"{licence.name} {licence.version}: may we ship a licence {licence.spdx!r}? See licence.py"
            )
    listed = "\n".join(f"{one.name} {one.version}: {one.spdx}" for one in found)
    bodies = [f"{'=' * 80}\n{one.name} {one.version}\n\n" + "\n\n".join(one.texts) for one in found if one.texts]
    target.write_text(
        "\n\n".join([f"What Emerge's page holds of others.\n\n{listed}\n\n{CORE}", *bodies]) + "\n", "utf-8"
    )
