"""`emerge`, and `python -m emerge_wasm.cli`. Says which extra is missing where the command line is not installed."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line, or exit with what to install for it."""
    try:
        from .main import main as emerge
        from .terminal import watch_terminals
    except ModuleNotFoundError as error:
        if error.name != "click":
            raise
        sys.exit("emerge needs the package click: pip install 'emerge-wasm[cli,node]'")
    watch_terminals()
    emerge()


if __name__ == "__main__":
    main()
