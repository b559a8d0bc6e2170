"""The command: python -m tests.nemesis --minutes 30 --nodes 5 --seed 7 --faults kill,stop,cut,mount,mv,promote."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from random import Random

from tests.network import CannotMake, Network

from .cluster import Deployment, shared, volumes
from .faults import FAULTS
from .run import run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.nemesis", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--nodes", type=int, default=5, choices=range(3, 8))
    parser.add_argument("--seed", type=int, default=Random().getrandbits(24))
    parser.add_argument("--faults", default=",".join(FAULTS), help=f"of {', '.join(FAULTS)}; by default all")
    parser.add_argument(
        "--on",
        choices=["hosts", "processes", "database"],
        default="hosts",
        help="stores of their own, on hosts in network namespaces (takes root) or on loopback; or one PostgreSQL",
    )
    parser.add_argument("--copies", type=int, default=1, help="of each volume, on other nodes")
    parser.add_argument("--older", action="store_true", help="the last node is of the release before")
    parser.add_argument("--clients", type=int, default=10, metavar="N", help="of objects, beside those of files")
    parser.add_argument("--files", type=int, default=2, metavar="N", help="programs that put and fetch files")
    parser.add_argument("--largest", type=int, default=0, metavar="BYTES", help="of some files; the others are various")
    parser.add_argument("--keep", type=Path, help="a folder for the history, logs and stores, which then stay")
    asked = parser.parse_args()
    names = [name for name in asked.faults.split(",") if name]
    unknown = set(names) - set(FAULTS)
    if unknown:
        parser.error(f"there is no fault {', '.join(sorted(unknown))}: choose from {', '.join(FAULTS)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # and so the nodes end, too
    print(f"seed {asked.seed}", flush=True)  # noqa: T201
    with ExitStack() as stack:
        folder = asked.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nemesis-")))
        folder.mkdir(parents=True, exist_ok=True)
        cluster = deploy(stack, asked.on, asked.nodes, folder.resolve(), asked.copies, asked.older)
        outcome = run(
            cluster,
            asked.minutes * 60,
            asked.seed,
            names,
            told=True,
            clients=asked.clients,
            programs=asked.files,
            largest=asked.largest,
        )
    print(outcome, flush=True)  # noqa: T201
    return 1 if outcome.faults else 0


def deploy(stack: ExitStack, on: str, nodes: int, folder: Path, copies: int, older: bool) -> Deployment:
    """Start the cluster. Raises CannotMake where the machine does not let hosts be made."""
    if on == "database":
        return stack.enter_context(shared(folder, nodes))
    network = None
    if on == "hosts":
        network = Network(nodes + 1)
        stack.callback(network.remove)
        network.make()
    return stack.enter_context(volumes(folder, nodes, network, disks=on == "hosts", copies=copies, older=older))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CannotMake as error:
        sys.exit(f"no hosts can be made here: {error}; --on processes needs none")
