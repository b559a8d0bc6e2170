"""What a load did and was told, as JSON lines: when each operation was called, when and how it ended.

An operation is a tuple of actions that take place at one moment, all or none, between its call and its end:

    see    {"key", "seen"}           the key holds that: {"value", "uuid", "version"} as far as told, None: nothing
    put    {"key", "value", "seen"}  a value is stored, whether there is something or not; then the key holds `seen`
    change {"key", "value", "seen"}  the same, where there is something
    drop   {"key"}                   what is there is removed
    move   {"key", "to", "seen"}     what is there is moved to a key where nothing is
    carry  {"key", "to"}             the same, with the directory that it is in
    lose   {"key"}                   the key holds we do not know what: a copy took the place of its lost owner

Values are unique: no two writes of a history write the same.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, NotRequired, TextIO, TypedDict


class Seen(TypedDict, total=False):
    """What an answer says of what is at a key."""

    value: str
    uuid: str
    version: int


class Action(TypedDict):
    """One thing that an operation does; see above."""

    do: str
    key: str
    value: NotRequired[str]
    to: NotRequired[str]
    seen: NotRequired[Seen | None]


@dataclass(slots=True)
class Operation:
    """One call of a history. `unit` names the keys among which it works; `end` is infinite while it is unknown."""

    number: int
    unit: str
    name: str
    start: float
    end: float = math.inf
    outcome: str = "unknown"
    actions: list[Action] = field(default_factory=list)
    error: str = ""
    asked: str = ""
    listed: list[list[str]] = field(default_factory=list)
    """The paths and uuids of a listing, each as often as it was in it."""
    skew: float = 0.0
    """Seconds by which the date of what was written is off."""

    def __str__(self) -> str:
        until = "?" if math.isinf(self.end) else f"{self.end:.3f}"
        words = " ".join(_words(action) for action in self.actions) or self.error
        return f"{self.start:.3f}-{until} #{self.number} {self.name}@{self.asked} {self.outcome}: {words}"


def _words(action: Action) -> str:
    given = " ".join(str(action[name]) for name in ("key", "to", "value") if name in action)
    return f"{action['do']} {given} -> {action['seen']}" if "seen" in action else f"{action['do']} {given}"


class Fault(NamedTuple):
    """What is wrong with a history, or with the stores after it."""

    kind: str
    unit: str
    text: str


class Recorder:
    """Writes a history. A line is on its way to the file before a call is made."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._number = 0

    def call(self, unit: str, name: str, asked: str, actions: list[Action]) -> int:
        """Write that an operation is called; its number."""
        self._number += 1
        self._write(number=self._number, what="call", unit=unit, name=name, asked=asked, actions=actions)
        return self._number

    def end(self, number: int, outcome: str, actions: list[Action] | None = None, **more: object) -> None:
        """Write how it ended: "ok", "fail" (nothing was done; `actions` say what was seen) or "unknown"."""
        self._write(number=number, what=outcome, actions=actions, **more)

    def note(self, text: str) -> None:
        """Write what else happened."""
        self._write(what="note", text=text)

    def _write(self, **row: object) -> None:
        self._file.write(json.dumps({"at": time.monotonic(), **row}) + "\n")
        self._file.flush()


def read_history(path: Path) -> list[Operation]:
    """Read the operations of a file, in the order of their calls."""
    with path.open() as lines:
        return list(operations(json.loads(line) for line in lines if line.endswith("\n")))


def operations(rows: Iterable[dict[str, object]]) -> Iterator[Operation]:
    """Put calls and their ends together."""
    found: dict[object, Operation] = {}
    for row in rows:
        if row["what"] == "call":
            fields = {name: row[name] for name in ("number", "unit", "name", "asked", "actions")}
            found[row["number"]] = Operation(start=row["at"], **fields)  # type: ignore[arg-type]  # as written above
        elif row["what"] != "note":
            _end(found[row["number"]], row)
    return iter(found.values())


def _end(operation: Operation, row: dict[str, object]) -> None:
    operation.outcome = str(row["what"])
    operation.error = str(row.get("error", ""))
    operation.listed = row.get("listed", [])  # type: ignore[assignment]  # as written above
    operation.skew = row.get("skew", 0.0)  # type: ignore[assignment]
    if operation.outcome != "unknown":
        operation.end = float(row["at"])  # type: ignore[arg-type]
        operation.actions = row["actions"] or []  # type: ignore[assignment]
