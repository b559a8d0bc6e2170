"""Finds the node's address: from EMERGE_HOST, else from emerge.ini, else the default one on this machine."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from ...errors import Invalid
from .registry import NODE, TRANSPORTS

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT_PORT = 5558
DEFAULT_HOST = f"127.0.0.1:{DEFAULT_PORT}"
FILE_NAME = "emerge.ini"
ADDRESS = re.compile(
    r"(?:tcp://)?(?P<name>\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]?]+)(?::(?P<port>[0-9]{1,5}))?(?P<key>\?key=[\w.@-]+)?"
)


class Reach(NamedTuple):
    """How a filesystem is reached, as `open_transport` takes it: plain data, for another process."""

    address: str
    token: str | None = None
    key: str | None = None


def find_address(host: str | None = None) -> str:
    """Return the address to connect to: `host` if it has a transport's scheme, else the endpoint of a node."""
    scheme = (host or "").partition("://")[0].lower()
    if host and scheme in TRANSPORTS and TRANSPORTS[scheme] is not NODE:
        return host
    return find_endpoint(host)


def find_endpoint(host: str | None = None) -> str:
    """Return the node's ZeroMQ endpoint: from `host`, EMERGE_HOST, ./emerge.ini or the user's config directory.

    Where several nodes are named, with commas between them, so are their endpoints.
    """
    if host:
        return endpoints_of(host)
    if host := os.environ.get("EMERGE_HOST"):
        return endpoints_of(host, "EMERGE_HOST")
    return _read_endpoint() or endpoint_of(DEFAULT_HOST)


def endpoints_of(hosts: str, source: str = "") -> str:
    """Return the endpoints for one address or several, with commas between them.

    Raises:
        Invalid: one is no address; the error names it and its source.
    """
    return ",".join(endpoint_of(host.strip(), source) for host in hosts.split(","))


def endpoint_of(host: str, source: str = "") -> str:
    """Return the endpoint for `host`, `host:port` or `tcp://host:port`; with `?key=KEY` when it names the node's.

    Raises:
        Invalid: it has another form; the error names its source.
    """
    found = ADDRESS.fullmatch(host)
    port = int((found and found["port"]) or DEFAULT_PORT)
    if found is None or not 0 < port < 65536:
        where = f"{source}: " if source else ""
        raise Invalid(
            f"{where}{host!r} is not the address of a node", remedy=f"write host:port, such as {DEFAULT_HOST}"
        )
    return f"tcp://{found['name']}:{port}{found['key'] or ''}"


def setting_files() -> list[str]:
    """Return the paths where emerge.ini may be, nearest first."""
    config = os.environ.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
    return [FILE_NAME, os.path.join(config, "emerge", FILE_NAME)]


def _read_setting(name: str) -> str | None:
    """Return a setting of the nearest emerge.ini that has it."""
    return next((value for _, value in _read_settings(name)), None)


def _read_endpoint() -> str | None:
    """Return the endpoint in the nearest emerge.ini that names one."""
    return next((endpoints_of(host, path) for path, host in _read_settings("host")), None)


def _read_settings(name: str) -> Iterator[tuple[str, str]]:
    for path in setting_files():
        if not os.path.exists(path):
            continue
        import configparser  # a tenth of what a short command takes, and mostly there is no such file

        parser = configparser.ConfigParser()
        try:
            parser.read(path, encoding="utf-8")
            value = parser.get("emerge", name, fallback=None)
            port = parser.get("emerge", "port", fallback="") if name == "host" else ""
        except (configparser.Error, UnicodeDecodeError, OSError) as error:
            raise Invalid(f"{path} cannot be read: {error}", path=path, remedy="run emerge init --force") from None
        if value is not None:
            hosts = [each.strip() for each in value.split(",")]
            yield path, ",".join(f"{each}:{port}" if port and _has_no_port(each) else each for each in hosts)


def _has_no_port(host: str) -> bool:
    found = ADDRESS.fullmatch(host)
    return found is not None and found["port"] is None and not host.startswith("tcp:") and found["key"] is None


def find_key(key: str | None = None) -> str | None:
    """Return which key to show: `key`, EMERGE_KEY, or that of the nearest emerge.ini; None for none."""
    return key or os.environ.get("EMERGE_KEY") or _read_setting("key")


def write_settings(path: Path, host: str) -> None:
    """Write an emerge.ini that names a node, or several."""
    import configparser

    path.parent.mkdir(parents=True, exist_ok=True)
    parser = configparser.ConfigParser()
    parser["emerge"] = {"host": endpoints_of(host).replace("tcp://", "")}
    with path.open("w", encoding="utf-8") as file:
        parser.write(file)
