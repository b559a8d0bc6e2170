"""The steps of a change of many objects, and the report of it."""

from __future__ import annotations

from typing import Literal, TypedDict

from ...results import PointerRow
from .option import PlaceName
from .view import BelowChange, EditKind, FailureView, Refusal


class BelowView(TypedDict):
    """What a change of the rights below a directory would do: to how many of how many entries, and to the first ones.

    `refused` belong to others. `steps` make it, `missing` are nodes that are away.
    """

    count: int
    changes: int
    refused: int
    rows: list[BelowChange]
    steps: list[ChangeStep]
    missing: list[str]


class PathStep(TypedDict):
    """A change of what is at a path: it is removed, a directory is made there, or what was removed is purged."""

    change: Literal["remove", "mkdir", "purge"]
    path: str


class TargetStep(TypedDict):
    change: Literal["move", "copy"]
    path: str
    target: str


class RestoreStep(TypedDict):
    """Make a version the newest one; 0 brings back what was removed."""

    change: Literal["restore"]
    path: str
    version: int


class FieldStep(TypedDict):
    """Set fields from their texts, over a version (0: the newest)."""

    change: Literal["set"]
    path: str
    version: int
    fields: dict[str, str]


class OwnerStep(TypedDict):
    """Give to an owner ("": who it is) and a group ("": none)."""

    change: Literal["chown"]
    path: str
    owner: str
    group: str


class RightsStep(TypedDict):
    change: Literal["chmod"]
    path: str
    perms: str


class MethodStep(TypedDict):
    """Run a method where the object lives; `args` as in a call."""

    change: Literal["run"]
    path: str
    method: str
    args: str


class CarryStep(TypedDict):
    """Copy, or (`move`) move, what is at a path to a path of the filesystem `to`; "uncarry" takes that back."""

    change: Literal["carry", "uncarry"]
    path: str
    target: str
    to: PlaceName
    move: bool


class CreateStep(TypedDict):
    """Make an object of a stored class, or a plain one (no `bundle`); of the fields that are given by their texts."""

    change: Literal["create"]
    path: str
    class_name: str
    bundle: str
    type: str
    fields: dict[str, str]
    kinds: dict[str, EditKind]


ChangeStep = (
    PathStep | TargetStep | RestoreStep | FieldStep | OwnerStep | RightsStep | MethodStep | CarryStep | CreateStep
)
"""One change of what is at a path."""


class StepFailure(TypedDict):
    path: str
    failure: FailureView


class ChangeReport(TypedDict):
    """What came of changes. `undo` are the changes that undo them, `pointer` that of what was changed last."""

    done: int
    failed: int
    failures: list[StepFailure]
    undo: list[ChangeStep]
    pointer: PointerRow | None


class LoadReport(TypedDict):
    """What came of loading a file."""

    made: int
    replaced: int
    kept: int
    refused: int
    refusals: list[Refusal]
    undo: list[ChangeStep]
