"""A file over links that are the limit: hosts whose links carry so much a second, and get and put beside that.

`python -m bench.links 8 32` has links of 8 MB a second and a file of 32 MB. It needs Linux and root: the hosts are
network namespaces. A get of what lies on one, two and three nodes is beside what as many links carry; a put, of which
each byte is sent once, beside the client's own link.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from emerge_wasm.clients.keys.key_pair import make_pair
from emerge_wasm.clients.keys.known_keys import CLIENT, MEMBER
from tests.cluster.test_hosts import give
from tests.network import Host, networks

from .measure import Row, print_rows

LINK = 8.0
"""Megabytes (10⁶ bytes) a second of each link, in what a host sends."""

SIZE = 32
HOLDERS = 3
ROUNDS = 3

PROGRAM = """
import json, os, sys, time
from statistics import median
from emerge_wasm import connect

address, key, size, holders, rounds = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
with connect(address, key=key) as fs:
    while len(fs.nodes()) < holders:
        time.sleep(0.05)
    def timed(do):
        start = time.perf_counter()
        do()
        return size / (time.perf_counter() - start)
    def put(name, **options):
        with open("source", "wb") as file:
            for _ in range(size):
                file.write(os.urandom(1_000_000))
        fs.put("source", f"/files/{name}", **options)
    puts = median(timed(lambda: put("spread")) for _ in range(rounds))
    gets = median(timed(lambda: fs.fetch("/files/spread", "got")) for _ in range(rounds))
    if holders > 1:
        put("copied", raid=1, copies=holders)
    copied = median(timed(lambda: fs.fetch("/files/copied", "got")) for _ in range(rounds)) if holders > 1 else 0
print(json.dumps([puts, gets, copied]))
"""


def limit(host: Host, megabytes: float) -> None:
    """Let a host send no more than so much a second."""
    done = host.run(
        "tc", *f"qdisc replace dev eth0 root tbf rate {megabytes * 8}mbit burst 128kb latency 100ms".split()
    )
    if done.returncode:
        raise SystemExit(f"links cannot be limited here: {done.stderr.strip()}")


def main(link: float = LINK, size: int = SIZE) -> None:
    with tempfile.TemporaryDirectory() as name, networks() as make:
        hosts = make(HOLDERS + 1).hosts
        folders = [Path(name) / host.name for host in hosts]
        *nodes, client = (make_pair(host.name) for host in hosts)
        members = [(MEMBER, pair) for pair in nodes]
        for folder, pair in zip(folders, nodes, strict=False):
            give(folder, pair, *members, (CLIENT, client))
        key = str(give(folders[-1], client, *members))
        start = ("node", "start", "--store", "sqlite:///emerge.db", "--bind")
        limit(hosts[-1], link)
        rows = []
        for number, (host, folder) in enumerate(zip(hosts[:-1], folders, strict=False), 1):
            join = ("--join", f"tcp://{hosts[0].address}:5558") if number > 1 else ()
            host.start_server(*start, host.address, *join, cwd=folder, sandbox=False)
            if number == 1:
                hosts[-1].run("emerge", "-h", host.address, "--key", key, "cluster", "found", cwd=folders[-1])
            limit(host, link)
            words = (hosts[0].address, key, str(size), str(number), str(ROUNDS))
            done = hosts[-1].run(sys.executable, "-c", PROGRAM, *words, cwd=folders[-1], timeout=600)
            if done.returncode:
                raise SystemExit(done.stderr)
            puts, gets, copied = json.loads(done.stdout)
            where = f"{number} node{'s' * (number > 1)}"
            rows.append(Row(f"put, raid 0, {where}", puts, [link]))
            rows.append(Row(f"get, raid 0, {where}", gets, [link * number]))
            if copied:
                rows.append(Row(f"get, a copy on each of {where}", copied, [link * number]))
    print_rows(f"A file of {size} MB over links of {link:g} MB a second", "MB a second", ["the links"], rows)


if __name__ == "__main__":
    given = sys.argv[1:]
    main(float(given[0]) if given else LINK, int(given[1]) if given[1:] else SIZE)
