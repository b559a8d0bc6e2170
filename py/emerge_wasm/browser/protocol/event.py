"""Replies, and events that the kernel sends by itself."""

from __future__ import annotations

from typing import Literal, TypedDict

from ...results import PointerRow
from .option import PlaceName
from .view import ConsentQuestion, FailureView, MemberView, RunProgress, TraceView


class ResultReply(TypedDict):
    id: int
    result: object


class FailureReply(TypedDict):
    id: int
    failure: FailureView


KernelReply = ResultReply | FailureReply


class Connecting(TypedDict):
    state: Literal["connecting"]


class Connected(TypedDict):
    state: Literal["connected"]
    node: str
    durability: str
    principal: str
    cluster: str


class Offline(TypedDict):
    state: Literal["offline"]
    reason: str
    refused: bool


ConnectionState = Connecting | Connected | Offline


class KernelEvent(TypedDict):
    event: Literal["kernel"]
    state: Literal["ready", "busy", "idle"]
    detail: str


class FeaturesEvent(TypedDict):
    event: Literal["features"]
    sync: bool
    interrupt: bool
    storage: Literal["indexeddb", "memory"]


class ConnectionEvent(TypedDict):
    event: Literal["connection"]
    connection: ConnectionState


class OutputEvent(TypedDict):
    event: Literal["output"]
    cell: int
    stream: Literal["stdout", "stderr"]
    text: str


class DisplayEvent(TypedDict):
    """What a cell displayed. `update`: it replaces what was displayed with this id."""

    event: Literal["display"]
    cell: int
    id: str
    update: bool
    data: dict[str, object]
    metadata: dict[str, object]


class ScriptEvent(TypedDict):
    """The script that draws the charts of a package, from that package; told before its first chart."""

    event: Literal["script"]
    name: str
    text: str


class ClearEvent(TypedDict):
    """A cell's outputs are cleared, or (`wait`) will be when the next one comes."""

    event: Literal["clear"]
    cell: int
    wait: bool


class PackagesEvent(TypedDict):
    """The packages that a cell has used, each as a requirement line with the hash of its file."""

    event: Literal["packages"]
    cell: int
    packages: list[str]


class FailureEvent(TypedDict):
    """The error of a cell's task that was never awaited."""

    event: Literal["failure"]
    cell: int
    failure: FailureView


class PrintedEvent(TypedDict):
    """Text that a run printed."""

    event: Literal["printed"]
    run: int
    text: str


class ProgressEvent(RunProgress):
    event: Literal["progress"]
    run: int


class RanEvent(TypedDict):
    """The outcome for one object of a directory's run: a result's text, or a failure."""

    event: Literal["ran"]
    run: int
    path: str
    text: str | None
    failure: FailureView | None


class MembersEvent(TypedDict):
    """All nodes of the cluster, as they are now."""

    event: Literal["members"]
    run: int
    members: list[MemberView]


class QuestionEvent(TypedDict):
    event: Literal["question"]
    question: ConsentQuestion


class InputEvent(TypedDict):
    """A cell asks for input (`open`), or does not any more. `secret`: what is typed is not to be shown."""

    event: Literal["input"]
    cell: int
    input: int
    prompt: str
    secret: bool
    open: bool


class LiveEvent(TypedDict):
    """A cell shows a value that is to be made again when what it read changes."""

    event: Literal["live"]
    cell: int
    live: int
    trace: TraceView


class AnsweredEvent(TypedDict):
    """No call waits for the answer to a question any more."""

    event: Literal["answered"]
    question: int


class KnownEvent(TypedDict):
    """Code that was written in this tab and needs no consent."""

    event: Literal["known"]
    bundles: list[str]


class ChangeEvent(TypedDict):
    """A change at a path, or ("many") several below it."""

    event: Literal["change"]
    where: PlaceName
    operation: str
    path: str
    pointer: PointerRow | None
    author: str  # who changed it, "" if that is not known or they are several


PageEvent = (
    KernelEvent
    | FeaturesEvent
    | ConnectionEvent
    | OutputEvent
    | DisplayEvent
    | ScriptEvent
    | ClearEvent
    | PackagesEvent
    | FailureEvent
    | PrintedEvent
    | ProgressEvent
    | RanEvent
    | MembersEvent
    | QuestionEvent
    | AnsweredEvent
    | InputEvent
    | LiveEvent
    | KnownEvent
    | ChangeEvent
)
