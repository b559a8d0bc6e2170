"""Which node a program means: EMERGE_HOST, else emerge.ini, else the default one on this machine."""

from __future__ import annotations

import configparser
import os
from pathlib import Path

from ..errors import Invalid

DEFAULT_PORT = 5558
DEFAULT_HOST = f"127.0.0.1:{DEFAULT_PORT}"
FILE_NAME = "emerge.ini"


def find_endpoint(host: str | None = None) -> str:
    """The ZeroMQ endpoint of the node: from `host`, EMERGE_HOST, ./emerge.ini, or the one in the user's config."""
    return endpoint_of(host or os.environ.get("EMERGE_HOST") or _read_host() or DEFAULT_HOST)


def endpoint_of(host: str) -> str:
    """`host`, `host:port` or `tcp://host:port` as an endpoint; Invalid when it is none of these."""
    name, _, port = (
        host.removeprefix("tcp://").rpartition(":") if ":" in host.removeprefix("tcp://") else (host, "", "")
    )
    port = port or str(DEFAULT_PORT)
    if not name or not port.isdigit() or not 0 < int(port) < 65536:
        raise Invalid(f"{host!r} is not the address of a node", remedy="write host:port, such as 127.0.0.1:5558")
    return f"tcp://{name}:{port}"


def setting_files() -> list[Path]:
    """Where emerge.ini is looked for, nearest first."""
    config = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return [Path(FILE_NAME), Path(config) / "emerge" / FILE_NAME]


def _read_host() -> str | None:
    for path in setting_files():
        parser = configparser.ConfigParser()
        try:
            if parser.read(path):
                return parser.get("emerge", "host", fallback=None)
        except configparser.Error as error:
            raise Invalid(f"{path} cannot be read: {error}", path=str(path), remedy="run emerge init") from None
    return None


def write_settings(path: Path, host: str) -> None:
    """Write an emerge.ini that names a node."""
    path.parent.mkdir(parents=True, exist_ok=True)
    parser = configparser.ConfigParser()
    parser["emerge"] = {"host": endpoint_of(host).removeprefix("tcp://")}
    with path.open("w") as file:
        parser.write(file)
