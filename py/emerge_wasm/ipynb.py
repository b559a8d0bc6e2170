"""Notebooks as Jupyter's `.ipynb` files (nbformat 4): any notebook of ours as a valid file, and any valid file back.

Pure; nbformat itself is not needed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping

from .errors import Invalid
from .notebook import CellKind, Notebook, NotebookCell

MINOR = 5
_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_KINDS: dict[str, CellKind] = {"code": "code", "markdown": "markdown", "raw": "raw"}

Json = dict[str, object]


def to_ipynb(notebook: Notebook) -> str:
    """The text of the `.ipynb` file of a notebook."""
    metadata = dict(notebook.metadata)
    metadata.setdefault("language_info", {"name": "python"})
    metadata.setdefault("kernelspec", {"name": "python3", "display_name": "Python 3", "language": "python"})
    if notebook.requirements:
        metadata["requirements"] = list(notebook.requirements)
    used: set[str] = set()
    cells = [_cell_out(cell, used) for cell in notebook.cells]
    data = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": MINOR}
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"


def from_ipynb(text: str | bytes) -> Notebook:
    """The notebook in the text of an `.ipynb` file; it has no name and no path yet.

    Raises:
        Invalid: it is no such file, or one of before 2015.
    """
    try:
        data = json.loads(text)
    except (ValueError, UnicodeDecodeError) as error:
        raise Invalid(f"this is no .ipynb file: {error}", remedy="give one that Jupyter can open") from None
    if not isinstance(data, dict) or data.get("nbformat") != 4 or not isinstance(data.get("cells"), list):
        version = data.get("nbformat") if isinstance(data, dict) else None
        what = f"is of nbformat {version}" if isinstance(version, int) else "has no cells of nbformat 4"
        raise Invalid(f"this .ipynb file {what}", remedy="convert it: jupyter nbconvert --to notebook --nbformat 4")
    metadata = dict(_map(data.get("metadata")))
    found = metadata.pop("requirements", [])
    requirements = [each for each in found if isinstance(each, str)] if isinstance(found, list) else []
    used: set[str] = set()
    cells = [_cell_in(cell, at, used) for at, cell in enumerate(data["cells"])]
    return Notebook(cells=cells, requirements=requirements, metadata=metadata)


def _cell_out(cell: NotebookCell, used: set[str]) -> Json:
    metadata = dict(cell["metadata"])
    if cell["name"]:
        metadata["name"] = cell["name"]
    if cell["folded"]:
        metadata["collapsed"] = True
    made: Json = {"cell_type": cell["kind"], "id": _fresh_id(cell["id"], used), "metadata": metadata}
    made["source"] = _lines(cell["source"])
    if cell["kind"] == "code":
        made["execution_count"] = cell["count"] or None
        made["outputs"] = [_output_out(output) for output in cell["outputs"]]
    elif cell["attachments"]:
        made["attachments"] = cell["attachments"]
    return made


def _cell_in(cell: object, at: int, used: set[str]) -> NotebookCell:
    given = _map(cell)
    kind = _KINDS.get(str(given.get("cell_type")))
    if kind is None:
        raise Invalid(f"cell {at + 1} of this .ipynb file is of no known type: {given.get('cell_type')!r}")
    metadata = dict(_map(given.get("metadata")))
    name, folded = metadata.get("name"), metadata.get("collapsed")
    if isinstance(name, str):
        del metadata["name"]
    if isinstance(folded, bool):
        del metadata["collapsed"]
    count = given.get("execution_count")
    outputs = given.get("outputs") if kind == "code" else []
    return {
        "id": _fresh_id(str(given.get("id") or f"cell-{at + 1}"), used),
        "kind": kind,
        "name": name if isinstance(name, str) else "",
        "source": _joined(given.get("source")),
        "outputs": [_output_in(output) for output in (outputs if isinstance(outputs, list) else [])],
        "count": count if isinstance(count, int) else 0,
        "folded": folded is True,
        "metadata": metadata,
        "attachments": dict(_map(given.get("attachments"))),
    }


def _output_out(output: Mapping[str, object]) -> Json:
    made = dict(output)
    if "data" in made:
        made["data"] = {mime: _data_out(mime, value) for mime, value in _map(made["data"]).items()}
    if made.get("output_type") == "stream":
        made["text"] = _lines(str(made["text"]))
    return made


def _output_in(output: object) -> Json:
    made = dict(_map(output))
    if "data" in made:
        made["data"] = {mime: _data_in(mime, value) for mime, value in _map(made["data"]).items()}
    if made.get("output_type") == "stream":
        made["text"] = _joined(made.get("text"))
    return made


def _is_json(mime: str) -> bool:
    return mime == "application/json" or mime.endswith("+json")


def _data_out(mime: str, value: object) -> object:
    return value if _is_json(mime) or not isinstance(value, str) else _lines(value)


def _data_in(mime: str, value: object) -> object:
    return value if _is_json(mime) else _joined(value)


def _fresh_id(id: str, used: set[str]) -> str:
    """An id as nbformat wants it, and no other cell's."""
    if not _ID.fullmatch(id):
        id = "x" + hashlib.sha256(id.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    made, number = id, 2
    while made in used:
        made, number = f"{id[:56]}-{number}", number + 1
    used.add(made)
    return made


def _lines(text: str) -> list[str]:
    """Text as nbformat writes it: lines with their ends (only `\\n` ends one)."""
    parts = text.split("\n")
    lines = [f"{part}\n" for part in parts[:-1]]
    return [*lines, parts[-1]] if parts[-1] else lines


def _joined(text: object) -> str:
    return "".join(map(str, text)) if isinstance(text, list) else "" if text is None else str(text)


def _map(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}
