"""Commands on the cluster: hello, nodes, whohas; its volumes: cluster found, volumes, mount, unmount."""

from __future__ import annotations

import click

from ..results import MemberRow, VolumeRow
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
    """List the nodes of the cluster; * is the one that answers."""
    found = session.fs.nodes()
    if session.json:
        print_json(found)
        return
    print_table([[_mark(row), row["node"], row["rpc"]] for row in found])


def _mark(row: MemberRow) -> str:
    return "*" if row["self"] else "away" if row.get("away") else ""


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


@click.group()
def cluster() -> None:
    """Make nodes one cluster."""


@cluster.command("found")
@pass_session
def cluster_found(session: Session) -> None:
    """Found a cluster, once: the node that is asked then owns /, and others enter with node start --join."""
    _show_volumes(session, session.fs.foundcluster())


@click.command()
@pass_session
def volumes(session: Session) -> None:
    """List the volumes of the cluster: which node owns which subtree."""
    _show_volumes(session, session.fs.volumes())


@click.command()
@click.argument("path")
@click.option("--on", "node", default="", metavar="NODE", help="The node that is to own it; else the one that answers.")
@pass_session
def mount(session: Session, path: str, node: str) -> None:
    """Make an empty volume at a path, which a node then owns."""
    _show_volumes(session, session.fs.mount(path, node))


@click.command()
@click.argument("path")
@pass_session
def unmount(session: Session, path: str) -> None:
    """Give an empty volume back to the owner of what is above it."""
    _show_volumes(session, session.fs.unmount(path))


def _show_volumes(session: Session, rows: list[VolumeRow]) -> None:
    if session.json:
        print_json(rows)
        return
    print_table([["away" if row["away"] else "", row["path"], row["node"]] for row in rows])
    if not rows:
        click.echo("this node is in no cluster: it owns everything (emerge cluster found makes one)")


COMMANDS = (hello, nodes, whohas, cluster, volumes, mount, unmount)
