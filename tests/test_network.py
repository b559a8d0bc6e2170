"""The hosts that tests put nodes on: what is cut is silent, in the direction that was cut; what is healed is not."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.network import Host, MakeNetwork, Network

ECHO = """
import socket
sockets = [socket.socket(family, socket.SOCK_DGRAM) for family in (socket.AF_INET, socket.AF_INET6)]
for each, address in zip(sockets, ("0.0.0.0", "::")):
    if each.family == socket.AF_INET6:
        each.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    each.bind((address, 7000))
print("{}", flush=True)
import select
while True:
    for each in select.select(sockets, [], [])[0]:
        text, back = each.recvfrom(100)
        each.sendto(text, back)
"""
ASK = """
import socket, sys
count = 0
with socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM) as mine:
    mine.settimeout(float(sys.argv[3]))
    for _ in range(int(sys.argv[2])):
        mine.sendto(b"x", (sys.argv[1], 7000))
        try:
            count += len(mine.recv(100))
        except TimeoutError:
            pass
print(count)
"""


def answers(host: Host, address: str, count: int = 2, seconds: float = 0.05) -> int:
    """How many of so many questions a host gets an answer to."""
    return int(host.run(sys.executable, "-c", ASK, address, str(count), str(seconds)).stdout)


@pytest.fixture
def network(make_network: MakeNetwork) -> Network:
    network = make_network(3)
    for host in network.hosts:
        process: subprocess.Popen[str] = host.start(sys.executable, "-c", ECHO)
        assert process.stdout is not None
        with process.stdout as output:
            assert output.readline()
    return network


def test_hosts_reach_each_other_until_they_are_cut(network: Network) -> None:
    a, b, c = network.hosts
    assert answers(a, b.address) == answers(a, b.address6) == 2
    network.cut(a, b)
    assert answers(a, b.address) == answers(b, a.address) == answers(a, b.address6) == 0
    assert answers(a, c.address) == answers(c, b.address6) == 2
    network.heal()
    assert answers(a, b.address) == answers(b, a.address6) == 2


def test_loss_takes_some(network: Network) -> None:
    a, b, _ = network.hosts
    network.lose(b, 50)
    assert 5 < answers(a, b.address, 60, 0.01) < 55


def test_one_direction_is_cut(network: Network) -> None:
    """What a sends does not arrive at b, so neither is answered; but b's words reach a."""
    a, b, _ = network.hosts
    network.cut(a, b, both=False)
    assert answers(a, b.address) == 0
    heard = a.start(sys.executable, "-c", HEAR)
    assert heard.stdout is not None and heard.stdout.readline()
    b.run(sys.executable, "-c", SAY, a.address)
    assert heard.communicate(timeout=5)[0].strip() == "x"


HEAR = """
import socket
mine = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
mine.bind(("0.0.0.0", 7001))
print("here", flush=True)
print(mine.recv(100).decode())
"""
SAY = """
import socket, sys
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", (sys.argv[1], 7001))
"""
