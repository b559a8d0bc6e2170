"""Nodes, a client and a relay on hosts of their own, that know each other by keys; nothing they say can be read."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from emerge_wasm.clients.keys.key_pair import KeyPair, make_pair, write_pair
from emerge_wasm.clients.keys.known_keys import CLIENT, FILE_NAME, MEMBER, Ring, RingEntry
from tests.network import Host, MakeNetwork

MARK = "a-word-that-stands-nowhere-else"
SNIFF = """
import socket
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as wire, open("seen", "wb", buffering=0) as seen:
    wire.bind(("eth0", 0))
    print("listening", flush=True)
    while True:
        seen.write(wire.recv(65536))
"""
STORE = f"""
import sys, time
from emerge_wasm import EmergeFile, connect
with connect(sys.argv[1], key=sys.argv[3]) as one, connect(sys.argv[2], key=sys.argv[3]) as other:
    while len(one.nodes()) < 2 or len(other.nodes()) < 2:
        time.sleep(0.05)
    one.store(EmergeFile(name="{MARK}", path="/told", data="{MARK}" * 50))
    print(one.whoami()["principal"], other.cat("/told/{MARK}.data") == "{MARK}" * 50, other.whohas("/told/{MARK}"))
"""
THROUGH = """
import sys
from emerge_wasm import connect
for scheme in ("http:", "ws:"):
    with connect(sys.argv[1].replace("http:", scheme), token=sys.argv[2]) as fs:
        print(fs.hello()["node"], [pointer.name for pointer in fs.list("/told")])
"""


def give(folder: Path, own: KeyPair, *known: tuple[str, KeyPair]) -> Path:
    """Give somebody their key and the ring as they know it; the key's file."""
    path = folder / "emerge-data" / "keys" / f"{own.name}.key"
    write_pair(path, own)
    for role, pair in known:
        rights = role == CLIENT
        Ring(path.with_name(FILE_NAME)).add(RingEntry(role, pair.name, pair.public, superuser=rights))
    return path


def start_sniffer(host: Host, folder: Path) -> None:
    process: subprocess.Popen[str] = host.start(sys.executable, "-c", SNIFF, cwd=folder)
    assert process.stdout is not None and process.stdout.readline()


def test_hosts_with_keys(make_network: MakeNetwork, tmp_path: Path) -> None:
    """As docs/security.md has it: IPv4 and IPv6, a client, a stranger, a relay, and a key that is taken back."""
    a, b, c = make_network(3).hosts
    folders = {host: tmp_path / host.name for host in (a, b, c)}
    desk, shed, anna, gate = (make_pair(name) for name in ("desk", "shed", "anna", "gate"))
    everybody = ((MEMBER, desk), (MEMBER, shed), (CLIENT, anna), (MEMBER, gate))
    give(folders[a], desk, *everybody)
    give(folders[b], shed, *everybody)
    key = str(give(folders[c], anna, (MEMBER, desk), (MEMBER, shed)))
    gates = str(give(folders[c] / "gate", gate, (MEMBER, desk), (MEMBER, shed)))
    start_sniffer(a, folders[a])

    start = ("node", "start", "--store", "memory:")
    one = a.start_server(
        *start, "--bind", "::", "--advertise", a.address, "--pub-port", "6001", cwd=folders[a], sandbox=False
    )
    founded = c.run("emerge", "-h", a.address, "--key", key, "cluster", "found", cwd=folders[c])
    assert founded.stdout.split() == ["/", "desk"], founded.stderr
    joins = ("--join", f"tcp://[{a.address6}]:5558")
    other = b.start_server(*start, "--bind", b.address6, *joins, cwd=folders[b], sandbox=False)
    assert (one.found["name"], one.found["node"]) == ("desk", f"tcp://{a.address}:5558")
    assert (other.found["name"], other.found["node"]) == ("shed", f"tcp://[{b.address6}]:5558")

    told = c.run(sys.executable, "-c", STORE, a.address, f"[{b.address6}]", key, cwd=folders[c])
    assert told.stdout.split() == ["anna", "True", f"{{'/told/{MARK}':", "'desk'}"], told.stderr
    plain = c.run("emerge", "-h", a.address, "ls", cwd=folders[c], timeout=10)
    assert plain.returncode and "wants a key" in plain.stderr

    relay = c.start_server("--key", gates, "-h", a.address, "relay", "start", "--port", "0", cwd=folders[c])
    through = c.run(sys.executable, "-c", THROUGH, relay.found["url"], relay.found["token"], cwd=folders[c])
    assert through.stdout.split() == 2 * ["desk", f"['{MARK}']"], through.stderr

    followed, until = Ring(Path(gates).with_name(FILE_NAME)), time.monotonic() + 10
    while not followed.named("anna"):  # the relay began with the keys of nodes alone
        assert time.monotonic() < until
        time.sleep(0.1)

    Ring(folders[a] / "emerge-data" / "keys" / FILE_NAME).revoke("anna")
    refused = c.run("emerge", "--key", key, "-h", a.address, "ls", cwd=folders[c], timeout=10)
    assert refused.returncode == 6 and "does not let the key of anna in" in refused.stderr

    seen = (folders[a] / "seen").read_bytes()
    assert b"CURVE" in seen, "nothing was overheard"
    for words in (MARK.encode(), b"EmergeFile", b"desk", b"tcp://"):
        assert words not in seen


INNER = "192.168.7.1"
FORWARDED = {"15558": "5558", "16001": "6001"}
FORWARDED_CLIENT = """
import sys, time
from dataclasses import dataclass
from emerge_wasm import EmergeFile, connect
from emerge_wasm.errors import PermissionDenied

@dataclass
class Box(EmergeFile):
    size: int = 0
    def double(self):
        return 2 * self.size

def nodes(fs):
    try:
        return [row["node"] for row in fs.nodes() if not row.get("away")]
    except PermissionDenied:  # it has not entered the cluster yet, whose ring has this key
        return []

with connect(sys.argv[1], key=sys.argv[3]) as one, connect(sys.argv[2], key=sys.argv[3]) as other:
    one.foundcluster()
    while not sorted(nodes(one)) == sorted(nodes(other)) == ["desk", "shed"]:
        time.sleep(0.05)
    one.store(Box(name="box", path="/told", size=21))
    print(other.run("/told/box", "double"), flush=True)
    while nodes(one) != ["desk"]:
        time.sleep(0.05)
    print("alone", flush=True)
"""


def put_behind_nat(host: Host) -> None:
    """Give a host an inner address that no other can reach, and forward ports of its outer one to it."""
    rules = " ".join(
        f"ip daddr {host.address} tcp dport {outer} dnat to {INNER}:{inner};" for outer, inner in FORWARDED.items()
    )
    chain = f"chain in {{ type nat hook prerouting priority -100; {rules} }};"
    for words in (("ip", "addr", "add", f"{INNER}/32", "dev", "lo"), ("nft", f"table ip nat {{ {chain} }}")):
        done = host.run(*words)
        if done.returncode:
            pytest.skip(f"no ports can be forwarded here: {done.stderr.strip()}")


def test_nodes_behind_port_forwards(make_network: MakeNetwork, tmp_path: Path) -> None:
    """Both have the same inner address; they join, hear each other, run, and notice a departure."""
    a, b, c = make_network(3).hosts
    desk, shed, anna = (make_pair(name) for name in ("desk", "shed", "anna"))
    folders = {host: tmp_path / host.name for host in (a, b, c)}
    give(folders[a], desk, (MEMBER, desk), (MEMBER, shed), (CLIENT, anna))
    give(folders[b], shed, (MEMBER, desk), (MEMBER, shed))
    key = str(give(folders[c], anna, (MEMBER, desk), (MEMBER, shed)))
    start = ("node", "start", "--store", "memory:", "--bind", INNER, "--pub-port", "6001", "--unsafe-run")

    def advertised(host: Host) -> tuple[str, ...]:
        return ("--advertise", f"{host.address}:15558", "--advertise-pub", f"{host.address}:16001")

    for host in (a, b):
        put_behind_nat(host)
    servers = [
        host.start_server(*start, *advertised(host), *join, cwd=folders[host])
        for host, join in ((a, ()), (b, ("--join", f"tcp://{a.address}:15558")))
    ]
    assert [each.found["node"] for each in servers] == [f"tcp://{host.address}:15558" for host in (a, b)]
    addresses = [f"{host.address}:15558" for host in (a, b)]
    client = c.start(sys.executable, "-c", FORWARDED_CLIENT, *addresses, key, cwd=folders[c])
    assert client.stdout is not None and client.stdout.readline() == "42\n"
    servers[1].stop()
    assert client.stdout.readline() == "alone\n"
