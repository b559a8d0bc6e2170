"""Commands on the cluster: hello, nodes, whohas."""

from __future__ import annotations

import click

from .session import Session, pass_session
from .show import print_fields, print_json, print_table


@click.command()
@pass_session
def hello(session: Session) -> None:
    """Tell which node answers, over which kind of store."""
    found = session.fs.hello()
    print_json(found) if session.json else print_fields(found)


@click.command()
@pass_session
def nodes(session: Session) -> None:
    """List the nodes of the cluster that are here now; * is the one that answers."""
    found = session.fs.nodes()
    if session.json:
        print_json(found)
        return
    print_table([["*" if row["self"] else " ", row["node"], row["rpc"]] for row in found])


@click.command()
@click.argument("paths", nargs=-1, required=True)
@pass_session
def whohas(session: Session, paths: tuple[str, ...]) -> None:
    """List which nodes hold these paths; those that none holds are left out."""
    found = session.fs.whohas(*paths)
    if session.json:
        print_json(found)
        return
    print_table([[node, path] for path, node in found.items()])


COMMANDS = (hello, nodes, whohas)
