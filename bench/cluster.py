"""A cluster beside one node: what more nodes bring, and what they cost."""

from __future__ import annotations

from . import database, keys


def main() -> None:
    database.main()
    keys.main()


if __name__ == "__main__":
    main()
