"""What the global options say, for the commands that are given it."""

from __future__ import annotations

from functools import cached_property

import click

from ..clients import SyncClient


class Session:
    """What the global options say; the client connects when a command first uses it."""

    def __init__(
        self,
        host: str | None,
        json: bool,
        debug: bool,
        transaction: str = "",
        user: str = "",
        groups: tuple[str, ...] = (),
        umask: str = "",
        key: str | None = None,
        max_age: float | None = None,
    ) -> None:
        self.host = host
        self.json = json
        self.debug = debug
        self.transaction = transaction
        self.user = user
        self.groups = groups
        self.umask = umask
        self.key = key
        self.max_age = max_age

    @cached_property
    def fs(self) -> SyncClient:
        """The client that the options name; in their transaction, as their user."""
        from .. import connect

        fs: SyncClient = click.get_current_context().find_root().with_resource(connect(self.host, key=self.key))
        if self.user:
            fs = fs.as_user(self.user, *self.groups)
        if self.umask:
            fs = fs.with_umask(self.umask)
        if self.max_age is not None:
            fs = fs.within(max_age=self.max_age)
        if self.transaction:
            fs = fs.within(transaction=self.transaction)
        return fs


pass_session = click.make_pass_decorator(Session)

as_of_option = click.option(
    "--as-of", metavar="TIME", default=None, help="As it was at a moment, in ISO 8601 (UTC unless it says otherwise)."
)

version_option = click.option("--version", type=int, default=0, help="An older version.")
