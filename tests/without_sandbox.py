"""`emerge` whose nodes run no methods, for tests that have none: a sandbox takes longer to start than a node.

Run as a program, and called by those that change more before they start a node.
"""

from __future__ import annotations

from emerge_wasm.cli import server
from emerge_wasm.cli.main import main


async def start_runner(*_: object, **__: object) -> tuple[None, str]:
    return None, "runs no methods: its test has none"


def run(args: list[str] | None = None) -> None:
    """Run the command line, with the process's own arguments unless others are given."""
    server.start_runner = start_runner  # type: ignore[assignment]  # patched: no user starts a node without a sandbox
    main(args)


if __name__ == "__main__":
    run()
