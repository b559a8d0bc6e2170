"""A cluster beside one node: what more nodes bring, what they cost, and what becomes of them when one dies."""

from __future__ import annotations

from . import database, departure, keys, simulation, volumes


def main() -> None:
    for each in (volumes, departure, simulation, database, keys):
        each.main()


if __name__ == "__main__":
    main()
