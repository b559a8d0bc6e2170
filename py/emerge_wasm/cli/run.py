"""Commands that run methods: call, query, receipts."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click

from ..clients import SyncClient
from ..clients.state_record import StateRecord, recorded_class
from ..codec import show
from ..errors import EmergeError, ExecutionFailed, Invalid, NotFound, PermissionDenied, error_from_wire
from ..objects import EmergeDirectory, EmergeObject, object_path
from ..results import RunEvent, RunReceipt
from .code import read_arguments
from .session import Session, pass_session
from .show import counted, date_text, print_json, print_table, print_value

as_me_option = click.option(
    "--as-me", is_flag=True, help="With all that you may do; else it may do what you and its owner both may."
)


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("path")
@click.argument("method")
@click.argument("arguments", nargs=-1)
@click.option("-l", "--local", is_flag=True, help="Run it in this process; what it changes is not stored.")
@as_me_option
@click.option("--receipt", is_flag=True, help="Tell on which version it ran, how long, and what it stored.")
@pass_session
def call(
    session: Session, path: str, method: str, arguments: tuple[str, ...], local: bool, as_me: bool, receipt: bool
) -> None:
    """Run a method of an object, or of all objects in a directory.

    ARGUMENTS are Python literals, or plain words; name=value ones by name; `-` is what comes on standard input.
    """
    args, kwargs = read_arguments(arguments)
    args = [sys.stdin.read() if value == "-" else value for value in args]
    if local and receipt:
        raise Invalid("a run in this process leaves no receipt", remedy="leave out --local, or --receipt")
    failed = 0
    fs = session.fs.with_own_rights() if as_me else session.fs
    many = fs.get(path).is_directory
    events = _run_here(fs, path, method, args, kwargs) if local else fs.runstream(path, method, *args, **kwargs)
    last: RunEvent | None = None
    for event in events:
        failed += _show_event(session, event, many, receipt)
        last = event if event["event"] == "progress" else last
    if last is not None and not session.json:  # several may say that all are done
        ran = counted(last["total"], "object")
        click.echo(f"{ran}, {last['failed']} failed" if last["failed"] else ran, err=True)
    if failed:
        sys.exit(1)


def _show_event(session: Session, event: RunEvent, many: bool, receipt: bool) -> bool:
    """Print what happened; whether it is a failure. The failure of a single object is raised as it is."""
    kind = event["event"]
    if session.json and (many or receipt):
        print_json(event)
    elif kind == "output":
        click.echo(event["text"], nl=False, err=True)
    elif kind == "error" and not many:
        raise error_from_wire(event["error"])
    elif kind == "error":
        click.secho(f"{event['path']}: {error_from_wire(event['error']).message}", fg="red", err=True)
    elif kind == "result" and many:
        click.echo(f"{event['path']}  {show(event['result'])}")
    elif kind == "result":
        _print_result(session, event["result"])
    if kind == "result" and receipt and not session.json:
        _print_receipt(event["receipt"])
    return bool(kind == "error")


def _print_result(session: Session, result: object) -> None:
    print_json(result) if session.json else print_value(result)


def _print_receipt(receipt: RunReceipt) -> None:
    for name, value in receipt.items():
        click.echo(f"  {name:12} {value}", err=True)


def _run_here(
    fs: SyncClient, path: str, method: str, args: list[object], kwargs: dict[str, object]
) -> Iterator[RunEvent]:
    """The events of a run in this process: of an object, or of all in a directory."""
    if method.startswith("_"):
        raise PermissionDenied(f"{method} is private", path=path, remedy="see emerge methods")
    found = fs.getobject(path)
    many = isinstance(found, EmergeDirectory)
    done = failed = 0
    for each in fs.objects(path) if many else [found]:
        done += 1
        try:
            yield {"event": "result", "path": object_path(each), "result": _called(each, method, args, kwargs)}
        except Exception as error:
            if not many:
                raise
            failed += 1
            ours = error if isinstance(error, EmergeError) else ExecutionFailed(f"{type(error).__name__}: {error}")
            yield {"event": "error", "path": object_path(each), "error": ours.to_wire()}
    if many:
        yield {"event": "progress", "done": done, "failed": failed, "total": done}


def _called(found: EmergeObject, method: str, args: list[object], kwargs: dict[str, object]) -> object:
    if isinstance(found, StateRecord):
        raise PermissionDenied(recorded_class(found).hint, path=object_path(found))
    target = getattr(found, method, None)
    if not callable(target):
        raise NotFound(f"{object_path(found)} has no method {method!r}", remedy="see emerge methods")
    return target(*args, **kwargs)


@click.command()
@click.argument("path")
@as_me_option
@pass_session
def query(session: Session, path: str, as_me: bool) -> None:
    """Run a query object where it lives, print its results; it keeps them, to be read by `emerge cat PATH.results`."""
    _print_result(session, (session.fs.with_own_rights() if as_me else session.fs).query(path))


def _by(row: RunReceipt) -> str:
    """Who ran it and, where it had not all of their rights, with whose."""
    acted = f" as {row['acted_as'] or 'a guest'}" if "acted_as" in row else ""
    return (row["principal"] or "-") + acted + "".join(f" with {each or 'a guest'}" for each in row.get("owners", []))


@click.command()
@click.argument("path")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="At most so many.")
@pass_session
def receipts(session: Session, path: str, limit: int) -> None:
    """List the last runs of an object's methods, newest first."""
    rows = session.fs.receipts(path, limit=limit)
    if session.json:
        print_json(rows)
        return
    cells = [
        [
            date_text(row["date"]),
            _by(row),
            row["method"],
            f"v{row['version']}" + (f" → v{row['made']}" if row["made"] else ""),
            f"{row['milliseconds']:.1f} ms",
            row["node"],
            row["arguments"][:8],
            row["result"][:8],
        ]
        for row in rows
    ]
    print_table([["date", "by", "method", "version", "took", "node", "arguments", "result"], *cells] if cells else [])


COMMANDS = (call, query, receipts)
