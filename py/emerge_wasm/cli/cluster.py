"""Commands on the cluster: hello, nodes, holdings, whohas; its volumes: found, volumes, mount, unmount, copies."""

from __future__ import annotations

from contextlib import closing, suppress
from itertools import islice

import click

from ..errors import PartialAnswer
from ..results import CopyRow, MemberEventRow, MemberRow, NodeInfo, VolumeRow
from .session import Session, pass_session
from .show import date_text, print_fields, print_json, print_table


@click.command()
@pass_session
def hello(session: Session) -> None:
    """Tell which node answers, over which kind of store."""
    found = session.fs.hello()
    print_json(found) if session.json else print_fields(found)
    _warn_of_open(found)


@click.command()
@click.option("--watch", is_flag=True, help="Then print who joins, leaves or is gone, as it happens, until Ctrl-C.")
@click.option("-n", "--number", type=int, help="With --watch: stop after so many lines.")
@pass_session
def nodes(session: Session, watch: bool, number: int | None) -> None:
    """List the nodes of the cluster; * is the one that answers."""
    if watch:
        with suppress(KeyboardInterrupt), closing(session.fs.watchnodes()) as events:
            for event in islice(events, number):
                print_json(event) if session.json else click.echo(_event_text(event))
        return
    found = session.fs.nodes()
    if session.json:
        print_json(found)
        return
    print_table([[_mark(row), row["node"] or "-", row["rpc"]] for row in found])
    _warn_of_open(session.fs.hello())
    for row in found:
        if "error" in row:
            click.echo(f"warning: {row['rpc']} cannot be joined now, and is tried again: {row['error']}", err=True)


def _warn_of_open(found: NodeInfo) -> None:
    if found.get("open"):  # an older node does not say
        what = f"warning: node {found['node']} is OPEN: every program of its machine may do everything there (--open)"
        click.secho(what, fg="yellow", err=True)


def _mark(row: MemberRow) -> str:
    return "*" if row["self"] else "" if row["state"] == "here" else row["state"]


def _event_text(event: MemberEventRow) -> str:
    volumes = " ".join(event["volumes"])
    return (
        f"{date_text(event['date'])}  {event['event']:<11}  {event['node'] or '-'}  {event['rpc']}  {volumes}".rstrip()
    )


@click.command()
@pass_session
def holdings(session: Session) -> None:
    """List what each node holds: its volumes, and how many changes its log has."""
    found = session.fs.holdings()
    if session.json:
        print_json(found)
        return
    print_table([[row["node"], str(row["position"]), " ".join(row["volumes"])] for row in found["nodes"]], right=[1])
    if missing := found.get("missing"):
        click.echo(f"warning: {PartialAnswer(missing)}", err=True)


@click.command()
@click.argument("names", nargs=-1, required=True)
@pass_session
def whohas(session: Session, names: tuple[str, ...]) -> None:
    """List which nodes hold these, by path or uuid; those that none holds are left out."""
    found = session.fs.whohas(*names)
    if session.json:
        print_json(found)
        return
    print_table([[node, name] for name, node in found.items()])


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
    """Make a volume at a path, with what is there, which a node then owns."""
    _show_volumes(session, session.fs.mount(path, node))


@click.command()
@click.argument("path")
@pass_session
def unmount(session: Session, path: str) -> None:
    """Give a volume back to the owner of what is above it, with what is there."""
    _show_volumes(session, session.fs.unmount(path))


@click.command()
@click.argument("path")
@click.option("--copies", type=int, metavar="N", help="How many there are to be (else: say how they are).")
@click.option("--sync/--no-sync", default=None, help="Acknowledge changes only when a copy has them, or at once.")
@click.option("--without", default="", metavar="NODE", help="Give up the copy of a node that is away for good.")
@pass_session
def replicate(session: Session, path: str, copies: int | None, sync: bool | None, without: str) -> None:
    """Keep copies of a volume on other nodes, and say what each of them has."""
    report = session.fs.replicate(path, copies, sync, without)
    if session.json:
        print_json(report)
        return
    print_table([_copy_line(row, report["owner"]) for row in (report["owner"], *report["copies"])])
    for note in report["notes"]:
        click.secho(f"note: {note}", fg="yellow", err=True)


def _copy_line(row: CopyRow, owner: CopyRow) -> list[str]:
    what = "owner" if row is owner else "copy"
    if row["away"] or row["lost"]:
        since = f"since {row['as_of'][:19]}, {row['behind']} commits behind" if row["away"] and row["as_of"] else ""
        return [what, row["node"], "away" if row["away"] else "lost", since]
    state = (
        "" if row is owner else "the same" if row["same"] else f"{row['behind']} commits behind, {row['as_of'][:19]}"
    )
    return [what, row["node"], f"{row['objects']} objects", state]


@click.command()
@click.argument("path")
@click.option("--on", "node", default="", metavar="NODE", help="Whose copy; else the one that has most.")
@pass_session
def promote(session: Session, path: str, node: str) -> None:
    """Make a copy the owner of a volume whose owner is lost."""
    _show_volumes(session, session.fs.promote(path, node))


def _show_volumes(session: Session, rows: list[VolumeRow]) -> None:
    if session.json:
        print_json(rows)
        return
    print_table([_volume_line(row) for row in rows])
    for path in [path for row in rows for path in row.get("conflicts", [])]:
        click.echo(f"conflicts: {path}")
    if not rows:
        click.echo("this node is in no cluster: it owns everything (emerge cluster found makes one)")


def _volume_line(row: VolumeRow) -> list[str]:
    copies = row.get("copies", [])
    shown = f"copies: {', '.join(copies)}" if copies else ""
    standing = "away" if row["away"] else "unreachable" if row.get("unreachable") else ""
    return [standing, row["path"], row["node"], shown]


COMMANDS = (hello, nodes, holdings, whohas, cluster, volumes, mount, unmount, replicate, promote)
