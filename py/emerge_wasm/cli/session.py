"""What the global options say, for the commands that are given it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ..clients import SyncClient
    from ..clients.quick import PointerLookup


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

    @cached_property
    def pointers(self) -> SyncClient | PointerLookup:
        """The same where a command only looks up pointers; for that the client need not be imported."""
        if "fs" not in vars(self) and not (self.user or self.umask or self.transaction or self.max_age is not None):
            from ..clients.transports.address import find_address, find_key

            address = find_address(self.host)
            if address.startswith("tcp://") and not {",", "?"} & {*address} and find_key(self.key) is None:
                from ..clients.quick import PointerLookup

                lookup = PointerLookup(address, lambda: self.fs)
                click.get_current_context().find_root().call_on_close(lookup.close)
                return lookup
        return self.fs


pass_session = click.make_pass_decorator(Session)

as_of_option = click.option(
    "--as-of", metavar="TIME", default=None, help="As it was at a moment, in ISO 8601 (UTC unless it says otherwise)."
)

version_option = click.option("--version", type=int, default=0, help="An older version.")
