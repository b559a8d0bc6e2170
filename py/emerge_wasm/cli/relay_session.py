"""Commands for the browsers that are signed in at a relay: session list and end. A relay that runs notices at once."""

from __future__ import annotations

from pathlib import Path

import click

from ..errors import Invalid
from .session import Session, pass_session
from .show import print_json, print_table
from .token import folder_option


@click.group("session")
def relay_session() -> None:
    """Say which browsers are signed in, and sign them out."""


@relay_session.command("list")
@folder_option
@pass_session
def session_list(session: Session, folder: Path) -> None:
    """Which browsers are signed in, the newest first: their ids, who they are, since when, and when they were seen."""
    from ..relay.session_record import SessionRecords, session_rows
    from ..relay.token import Tokens

    rows = session_rows(SessionRecords(folder), Tokens(folder))
    if session.json:
        print_json(rows)
        return
    print_table([[r["id"], r["principal"] or "(operator)", r["browser"], r["since"], r["seen"]] for r in rows])


@relay_session.command("end")
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--all", "everybody", is_flag=True, help="All of them.")
@folder_option
@pass_session
def session_end(session: Session, ids: tuple[str, ...], everybody: bool, folder: Path) -> None:
    """Sign browsers out, by their ids or how these begin: their connections are closed."""
    from ..relay.session_record import SessionRecords

    if everybody == bool(ids):
        raise Invalid("which sessions are meant?", remedy="name ids, as emerge session list shows them, or say --all")
    records = SessionRecords(folder)
    wanted = {each.id for each in (records.all() if everybody else map(records.find, ids))}
    ended = records.end(wanted)
    print_json(ended) if session.json else click.echo(f"{len(ended)} ended")
