"""The table of cases: class files as people write them, each with an object, what it answers, or how it is refused.

A file of `cases/` holds many. A case begins with `=== name`, then comes the text of a module, which is named `name`;
`--- package/module.py` begins another file beside it. Then the object, and what its expressions are:

    >>> Order(lines=[Line("bolt", 3)])
    o.total() → 3
    own: o.status is Status.OPEN → True     (only where the module is imported, so that its names are there)

`!!! words` instead of answers: storing it is refused with each of these words (separated by ` … `) in the error.
`%tabs` and `%crlf` before the text write the file so. Blank lines at the ends of a file are not part of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

FOLDER = Path(__file__).parent / "cases"


@dataclass
class Answer:
    """An expression over the object `o`, and the expression of the value that it has."""

    text: str
    expected: str
    own: bool = False


@dataclass
class Case:
    name: str
    files: dict[str, str] = field(default_factory=dict)
    made: str = ""
    answers: list[Answer] = field(default_factory=list)
    refused: str = ""
    oldest: str = "3.11"
    others: list[str] = field(default_factory=list)  # releases of Python that read its bytes
    asked: list[str] = field(default_factory=list)  # what a node does with its code: search, run

    @property
    def module(self) -> str:
        """The module that makes the object: the first of its files."""
        return next(iter(self.files)).removesuffix(".py").replace("/", ".").removesuffix(".__init__")

    def write(self, folder: Path) -> None:
        for name, text in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())


def read_cases(folder: Path = FOLDER) -> list[Case]:
    """All cases of the table.

    Raises:
        ValueError: two have one name, or one has neither answers nor a refusal.
    """
    cases = [case for path in sorted(folder.glob("*.txt")) for case in _parse(path.read_text())]
    files = [name for case in cases for name in case.files]
    for name in [*(case.name for case in cases), *files]:
        if [case.name for case in cases].count(name) > 1 or files.count(name) > 1:
            raise ValueError(f"two cases are, or have a file, named {name}")
    for case in cases:
        if not case.made or not (case.answers or case.refused):
            raise ValueError(f"{case.name} makes no object, or asks nothing of it")
    return cases


def _parse(text: str) -> Iterator[Case]:
    for block in text.split("\n=== ")[1:]:
        yield _case(block.split("\n"))


def _case(lines: list[str]) -> Case:
    case = Case(lines[0].strip())
    file, ways = f"{case.name}.py", set()
    rows: dict[str, list[str]] = {}
    for line in lines[1:]:
        if line.startswith("--- "):
            file = line[4:].strip()
        elif line.startswith("%python "):
            case.oldest = line.split()[1]
        elif line.startswith("%"):
            ways.add(line[1:].strip())
        elif line.startswith(">>> "):
            case.made = line[4:]
        elif line.startswith("!!! "):
            case.refused = line[4:]
        elif case.made and line.strip():
            text, _, expected = line.partition(" → ")
            case.answers.append(Answer(text.removeprefix("own: "), expected, text.startswith("own: ")))
        elif not case.made:
            rows.setdefault(file, []).append(line)
    rows = {name: text for name, text in rows.items() if "".join(text).strip() or name != f"{case.name}.py"}
    case.files = {name: _file("\n".join(text).strip("\n") + "\n", ways) for name, text in rows.items()}
    return case


def _file(text: str, ways: set[str]) -> str:
    if "tabs" in ways:
        text = "\n".join(_tabbed(line) for line in text.split("\n"))
    return text.replace("\n", "\r\n") if "crlf" in ways else text


def _tabbed(line: str) -> str:
    bare = line.lstrip(" ")
    return "\t" * ((len(line) - len(bare)) // 4) + bare


def dump(cases: list[Case]) -> str:
    """The cases as JSON, for another Python."""
    return json.dumps([asdict(case) | {"module": case.module} for case in cases])
