"""What the global options say, for the commands that are given it."""

from __future__ import annotations

import click

from ..clients import SyncClient


class Session:
    """What the global options say; the client connects when a command first uses it."""

    def __init__(self, host: str | None, json: bool, debug: bool) -> None:
        self.host = host
        self.json = json
        self.debug = debug

    @property
    def fs(self) -> SyncClient:
        from .. import connect

        return connect(self.host)


pass_session = click.make_pass_decorator(Session)
