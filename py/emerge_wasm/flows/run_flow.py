"""Start, run, cancel and resume flows; run all that are due, here or on an engine, again and again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from typing import TypedDict, cast

from .. import connect
from ..clients.engine import LostWorker, open_engine
from ..clients.sync import SyncClient
from ..clients.transports.address import Reach
from ..errors import Conflict, EmergeError, ExecutionFailed, Invalid, NotFound, error_from_wire
from ..operations import Wire
from ..sync import iterate
from .flow import CANCELLED, DONE, ENDED, FAILED, READY, Flow
from .replay import FLOW, Now, StepState, naming, replay, steps_of, utc_now

POLL = 1.0
"""Seconds between two looks for flows that are due."""

AT_ONCE = 4
"""Flows that one process runs at once."""

_log = logging.getLogger("emerge.flows")


class FlowStatus(TypedDict):
    """Where a flow is, and its steps."""

    path: str
    status: str
    error: str
    wake: str
    result: object
    steps: list[StepState]


def start(fs: SyncClient, flow: Flow, path: str) -> None:
    """Store a flow, to be run: in the directory `path`, as `flow`.

    Raises:
        Conflict: there is something at this path.
    """
    if not isinstance(flow, Flow):
        raise Invalid(f"a {type(flow).__name__} is no flow", remedy="derive its class from emerge_wasm.flows.Flow")
    flow.path, flow.name = path, FLOW
    with fs.transaction() as tx:
        try:
            tx.get(path)
        except NotFound:
            tx.store(flow)
            return
    raise Conflict(
        f"there is something at {path}", path=path, remedy="give each flow a path of its own, or run that one"
    )


def run_flow(fs: SyncClient, path: str, *, engine: str = "", now: Now = utc_now) -> object:
    """Run a flow to its end, waiting when it does; its result.

    With an engine (`dask://host:8786`) its steps run on a worker, and on another one when that is lost.

    Raises:
        ExecutionFailed: it failed, or was cancelled.
        Unavailable: the filesystem or the engine is out of reach: run it again, and it goes on where it was.
    """
    pause = threading.Event()
    while True:
        status = _run_all(fs, [path], engine, now)[path]
        if isinstance(status, EmergeError):
            raise status
        if status["status"] in ENDED:
            break
        pause.wait(min(max((datetime.fromisoformat(status["wake"]) - now()).total_seconds(), 0.01), POLL))
    flow = fs.getobject(f"{path}/{FLOW}")
    if flow.status != DONE:
        raise ExecutionFailed(
            f"{path} is {flow.status}: {flow.error}", path=path, remedy="see its steps, and resume it"
        )
    result: object = flow.result
    return result


def work(
    fs: SyncClient,
    root: str = "/flows",
    *,
    engine: str = "",
    stop: threading.Event | None = None,
    until_idle: bool = False,
    now: Now = utc_now,
) -> None:
    """Run all flows below a directory that are due, for ever, or until `stop` is set, or none is left that will be.

    Several may do so at once, anywhere; each step is done once. An error of the filesystem or the engine is logged, and
    everything tried again a moment later.
    """
    stop = stop or threading.Event()
    while not stop.is_set():
        try:
            known = list_flows(fs, root)
            due = [each["path"] for each in known if _is_due(each, now())]
            for path, status in _run_all(fs, due, engine, now).items():
                if isinstance(status, EmergeError):
                    _log.warning("%s cannot go on: %s", path, status)
        except EmergeError as error:
            _log.warning("flows below %s cannot go on: %s", root, error)
        else:
            if until_idle and all(each["status"] in ENDED for each in list_flows(fs, root)):
                return
        stop.wait(POLL)


def list_flows(fs: SyncClient, root: str = "/flows") -> list[FlowStatus]:
    """Return where the flows in a directory are, without their steps."""
    found = []
    for pointer in fs.list(root):
        if pointer.is_directory:
            try:
                found.append(flow_status(fs, pointer.full_path, steps=False))
            except (NotFound, Invalid):
                continue  # a directory as any
    return found


def flow_status(fs: SyncClient, path: str, *, steps: bool = True) -> FlowStatus:
    """Return where a flow is, with what its steps came to; no code is loaded."""
    with naming(path):
        state = fs.cat(f"{path}/{FLOW}")
    if not isinstance(state, dict) or "wake" not in state:
        raise Invalid(f"{path} is no flow", path=path, remedy="see emerge flow list")
    return {
        "path": path,
        "status": state["status"],
        "error": state["error"],
        "wake": state["wake"],
        "result": state["result"],
        "steps": steps_of(fs, path) if steps else [],
    }


def cancel(fs: SyncClient, path: str) -> bool:
    """Have a flow go on no further; whether it had not ended. The step that is under way is not committed."""
    with fs.transaction() as tx:
        if flow_status(tx, path, steps=False)["status"] in ENDED:
            return False
        tx.update(f"{path}/{FLOW}", status=CANCELLED, wake="")
    return True


def resume(fs: SyncClient, path: str) -> bool:
    """Have a flow that failed or was cancelled go on, at the step that failed; whether it had."""
    with fs.transaction() as tx:
        status = flow_status(tx, path)
        if status["status"] not in (FAILED, CANCELLED):
            return False
        for entry in status["steps"]:
            if entry["status"] == FAILED:
                tx.rm(f"{path}/{entry['number']:04} {entry['step']}")
        tx.update(f"{path}/{FLOW}", status=READY, error="", wake="", result=None)
    return True


def _is_due(status: FlowStatus, now: datetime) -> bool:
    return status["status"] not in ENDED and (not status["wake"] or datetime.fromisoformat(status["wake"]) <= now)


def _run_all(fs: SyncClient, paths: Sequence[str], engine: str, now: Now) -> dict[str, Wire | EmergeError]:
    """Run flows on until each ends or waits: where they are then, or why they could not go on."""
    if not engine:
        with ThreadPoolExecutor(max(1, min(AT_ONCE, len(paths)))) as threads:
            return dict(zip(paths, threads.map(lambda path: _run_one(fs, path, now), paths), strict=True))
    reach, context = fs.origin
    if reach is None:
        raise Invalid("workers cannot reach this filesystem", remedy="connect to a node, or to a relay by ws://")
    outcomes = iterate(open_engine(engine).each(partial(_run_there, reach, context), paths))
    return {paths[number]: _outcome(paths[number], each) for number, each in outcomes}


def _run_one(fs: SyncClient, path: str, now: Now) -> Wire | EmergeError:
    try:
        flow = replay(fs, path, now)
    except EmergeError as error:
        return error
    return {"status": flow.status, "wake": flow.wake}


def _run_there(reach: Reach, context: Wire, path: str) -> tuple[bool, Wire]:
    """Run a flow on in this process, a worker's: whether that could be done, and what came of it as plain data."""
    with connect(*reach) as fs:
        outcome = _run_one(fs.within(**context), path, utc_now)
    return (False, {**outcome.to_wire()}) if isinstance(outcome, EmergeError) else (True, outcome)


def _outcome(path: str, outcome: object) -> Wire | EmergeError:
    if isinstance(outcome, LostWorker):
        return ExecutionFailed(f"{path} ended each process that ran it: {outcome.reason}", path=path)
    done, told = cast("tuple[bool, Wire]", outcome)
    return told if done else error_from_wire(told)
