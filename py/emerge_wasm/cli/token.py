"""Commands for who may come in by a relay: token add, link, ls and rm. A relay that runs notices at once."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .session import Session, pass_session
from .show import print_json, print_table

if TYPE_CHECKING:
    from ..relay.token import Token

folder_option = click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path),
    default=Path("emerge-data"),
    show_default=True,
    help="The relay's.",
)


url_option = click.option(
    "--url", default="http://127.0.0.1:8080", show_default=True, help="The relay's address, for the link."
)


@click.group()
def token() -> None:
    """Say who else may come in by the relay, and as whom."""


@token.command("add")
@click.argument("name")
@click.option("--group", "groups", multiple=True, metavar="GROUP", help="A group they are in; may be repeated.")
@click.option("--days", type=click.FloatRange(min=0, min_open=True), help="How long it is good for (else for good).")
@url_option
@folder_option
@pass_session
def token_add(session: Session, name: str, groups: tuple[str, ...], days: float | None, url: str, folder: Path) -> None:
    """Let NAME in: prints their token, for programs, and a link, for one browser within a day. They are shown once."""
    from ..relay.token import Tokens

    tokens = Tokens(folder)
    text = tokens.add(name, groups, days or 0.0)
    link = _link(url, tokens.link(name))
    if session.json:
        print_json({"principal": name, "token": text, "link": link})
        return
    print_table([["token", text], ["link", link]])


@token.command("link")
@click.argument("name")
@click.option("--hours", type=click.FloatRange(min=0, min_open=True), default=24.0, show_default=True, help="How long.")
@url_option
@folder_option
@pass_session
def token_link(session: Session, name: str, hours: float, url: str, folder: Path) -> None:
    """Print another link that signs one browser in as NAME; an earlier one that was not used ends."""
    from ..relay.token import Tokens

    link = _link(url, Tokens(folder).link(name, hours))
    print_json({"principal": name, "link": link}) if session.json else print_table([["link", link]])


def _link(url: str, text: str) -> str:
    return f"{url.rstrip('/')}/?token={text}"


@token.command("ls")
@folder_option
@pass_session
def token_ls(session: Session, folder: Path) -> None:
    """Who has a token."""
    from ..relay.token import Tokens

    tokens = Tokens(folder).all()
    if session.json:
        print_json([_row(each) for each in tokens])
        return
    print_table([[each.principal, ",".join(each.groups) or "-", _until(each)] for each in tokens])


@token.command("rm")
@click.argument("name")
@folder_option
def token_rm(name: str, folder: Path) -> None:
    """Take NAME's token back: their sessions end at the next request."""
    from ..relay.token import Tokens

    Tokens(folder).remove(name)


def _row(token: Token) -> dict[str, object]:
    expires = _date(token.expires) if token.expires else None
    return {"principal": token.principal, "groups": list(token.groups), "made": _date(token.made), "expires": expires}


def _until(token: Token) -> str:
    if not token.expires:
        return "for good"
    return f"{'until' if token.is_valid(time.time()) else 'expired'} {_date(token.expires)}"


def _date(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
