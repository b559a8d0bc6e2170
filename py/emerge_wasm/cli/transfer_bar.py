"""How a put or a fetch is shown on a terminal, and what is said when it is interrupted."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from ..clients.transfer import Transfer
from .session import Session
from .show import counted, size_text

INTERRUPTED = 130
"""The exit code of what Ctrl-C ended, as shells have it."""


@contextmanager
def transfer_bar(session: Session, size: int, label: str, kept: str) -> Iterator[Transfer]:
    """Yield a transfer of so many bytes, and show how far it is. `kept` says what is left when it is interrupted."""
    transfer = Transfer()
    try:
        if session.json or not sys.stderr.isatty():
            yield transfer
            return
        with click.progressbar(length=size, label=label, file=sys.stderr, item_show_func=_speed) as bar:
            transfer.tell = lambda done: bar.update(done - bar.pos, transfer)
            yield transfer
    except KeyboardInterrupt:
        done = f"{100 * transfer.done // transfer.total} %" if transfer.total else size_text(transfer.done)
        click.secho(f"\ninterrupted at {done}: {kept}", fg="yellow", err=True)
        sys.exit(INTERRUPTED)


def _speed(transfer: Transfer | None) -> str | None:
    """Return how fast it is, and how many holders have a part in it."""
    if transfer is None or not transfer.rate:
        return None
    rate = f"{size_text(int(transfer.rate))}/s"
    return f"{rate} from {counted(len(transfer.holders), 'holder')}" if len(transfer.holders) > 1 else rate
