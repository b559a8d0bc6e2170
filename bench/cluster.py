"""A cluster beside one node: what more nodes bring, and what they cost."""

from __future__ import annotations

from . import database


def main() -> None:
    database.main()


if __name__ == "__main__":
    main()
