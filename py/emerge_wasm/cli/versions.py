"""Commands on the past: versions, diff, restore, retain, purge."""

from __future__ import annotations

import click

from ..clients.reads import VersionHistory
from .session import Session, as_of_option, pass_session, version_option
from .show import date_text, print_json, print_table, print_value, show_value, size_text


@click.command()
@click.argument("path")
@click.option("--before", type=click.IntRange(0), default=0, help="Only versions older than this one.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="At most so many.")
@as_of_option
@pass_session
def versions(session: Session, path: str, before: int, limit: int, as_of: str | None) -> None:
    """List an object's versions, newest first."""
    rows = session.fs.versions(path, before, limit, as_of)
    _tell(rows)
    if session.json:
        print_json(list(rows))
        return
    cells = [
        [
            *(f"v{r['version']}", date_text(r["date"]), r["operation"], r["author"] or "-", size_text(r["size"])),
            f"from {r['from']}" if r.get("from") else "",
        ]
        for r in rows
    ]
    print_table(cells, right=(0,))


def _tell(rows: VersionHistory) -> None:
    """Say, beside the table, what is not in it."""
    if rows.cut:
        click.echo(f"there are older versions: --before {rows.before}", err=True)
    elif rows.gone:
        click.echo(f"{rows.gone} older version{'s are' if rows.gone > 1 else ' is'} no longer kept", err=True)


@click.command()
@click.argument("path")
@click.argument("before", type=int)
@click.argument("after", type=int, default=0)
@pass_session
def diff(session: Session, path: str, before: int, after: int) -> None:
    """Show what differs between two versions of an object, field by field; AFTER is the newest unless given."""
    found = session.fs.diff(path, before, after)
    if session.json:
        print_json(found)
        return
    for row in found["fields"]:
        if "before" in row:
            click.echo(f"- {row['field']}  {show_value(row['before'])}")
        if "after" in row:
            click.echo(f"+ {row['field']}  {show_value(row['after'])}")


@click.command()
@click.argument("path")
@version_option
@as_of_option
@pass_session
def restore(session: Session, path: str, version: int, as_of: str | None) -> None:
    """Make an older version the newest one, or bring back what was removed last from PATH."""
    pointer = session.fs.restore(path, version, as_of)
    print_json(pointer.to_wire()) if session.json else click.echo(f"{pointer.full_path} v{pointer.version}")


@click.command()
@click.argument("path")
@click.argument("keep", required=False)
@pass_session
def retain(session: Session, path: str, keep: str | None) -> None:
    """Say how many versions of the objects in a directory are kept: all, 10, "30 days", or "" as the one above."""
    kept = session.fs.retain(path, keep)
    print_json(kept) if session.json else print_value(kept)


@click.command()
@click.argument("paths", nargs=-1, required=True)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@pass_session
def purge(session: Session, paths: tuple[str, ...], yes: bool) -> None:
    """Delete for good what you have removed from PATHS, and below directories, with all versions."""
    if not yes and not session.json:
        click.confirm(f"Delete for good what you have removed from {' and '.join(paths)}?", abort=True)
    done = [session.fs.purge(path) for path in paths]
    count, size = sum(each["purged"] for each in done), sum(each["bytes"] for each in done)
    if session.json:
        print_json({"purged": count, "bytes": size})
    else:
        click.echo(f"{count:,} purged, {size:,} bytes")


COMMANDS = (versions, diff, restore, retain, purge)
