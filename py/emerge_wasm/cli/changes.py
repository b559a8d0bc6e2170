"""Commands on the log of changes: changes, watch."""

from __future__ import annotations

from contextlib import closing, suppress
from itertools import islice

import click

from ..objects import Pointer
from ..results import ChangeRow
from .session import Session, pass_session
from .show import date_text, path_text, print_json


@click.command()
@click.argument("since", type=int, default=0)
@click.option("--limit", type=int, default=1000, show_default=True, help="So many at most, the oldest first.")
@pass_session
def changes(session: Session, since: int, limit: int) -> None:
    """List the changes after the log position SINCE (0: all that are logged); the first column is the position."""
    found = session.fs.changes(since, limit)
    if session.json:
        print_json(found)
        return
    for change in found["changes"]:
        click.echo(change_text(change))


@click.command()
@click.argument("path", default="/")
@click.option("--since", type=int, default=-1, help="Those after this log position first.")
@click.option("-n", "--number", type=int, help="Stop after so many.")
@pass_session
def watch(session: Session, path: str, since: int, number: int | None) -> None:
    """Print the changes at or below PATH as they come, until Ctrl-C."""
    with suppress(KeyboardInterrupt), closing(session.fs.watch(path, since)) as changes:
        for change in islice(changes, number):
            print_json(change) if session.json else click.echo(change_text(change))


def change_text(change: ChangeRow) -> str:
    """A change on one line: position, date, author, operation, path and version."""
    pointer = Pointer.from_wire(change["pointer"])
    author = change["pointer"]["author"] or "-"
    cells = [str(change["position"]), date_text(pointer.date), author, change["operation"], path_text(pointer)]
    return "  ".join([*cells, f"v{pointer.version}"])


COMMANDS = (changes, watch)
