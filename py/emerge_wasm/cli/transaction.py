"""Commands on transactions: begin, commit, rollback. In between: `emerge --transaction NAME COMMAND`."""

from __future__ import annotations

import click

from .session import Session, pass_session
from .show import counted, print_json


@click.command()
@click.argument("name", default="")
@click.option("--seconds", default=600, show_default=True, help="It is rolled back when left alone for so long.")
@pass_session
def begin(session: Session, name: str, seconds: int) -> None:
    """Open a transaction, and print its name."""
    found = session.fs.begin(name, seconds)
    print_json(found) if session.json else click.echo(found["transaction"])


@click.command()
@click.argument("name")
@pass_session
def commit(session: Session, name: str) -> None:
    """Make all changes of a transaction at once."""
    found = session.fs.commit(name)
    print_json(found) if session.json else click.echo(counted(found["changes"], "change"))


@click.command()
@click.argument("name")
@pass_session
def rollback(session: Session, name: str) -> None:
    """Drop a transaction with all its changes."""
    dropped = session.fs.rollback(name)
    print_json(dropped) if session.json else click.echo("rolled back" if dropped else f"no transaction {name} is open")


COMMANDS = (begin, commit, rollback)
