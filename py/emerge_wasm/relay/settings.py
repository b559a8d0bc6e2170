"""The settings of a relay. Plain data; reads no environment and no file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ..clients.keys.credential import Credential
from .packages.settings import PackageSettings
from .session_record import SESSION_SECONDS


@dataclass(frozen=True, slots=True)
class BrowserLimits:
    """The limits of each browser, and `browsers`, of their number. Sizes in bytes, times in seconds.

    `requests` under way together hold at most `request_bytes`; `queue` messages of at most `queue_bytes` wait for a
    slow reader. One that exceeds them has `patience` to read why it is disconnected.
    """

    message: int = 16 << 20
    requests: int = 256
    request_bytes: int = 64 << 20
    queue: int = 8192
    queue_bytes: int = 64 << 20
    browsers: int = 256
    patience: float = 3.0


@dataclass(frozen=True, slots=True)
class RelaySettings:
    """How a relay runs.

    `data` is the folder of the secret that signs sessions, `dist` the built page, `nodes` endpoints to try in order,
    `credential` the relay's key, for nodes that want one.
    `token` is for programs ("" admits none), `origins` are more addresses under which browsers see this relay,
    `immutable` the beginnings of paths whose contents never change. Seconds: `session` is the lifetime of a cookie,
    `beat` the time between pings to a node.
    """

    data: Path
    dist: Path | None = None
    nodes: tuple[str, ...] = ("tcp://127.0.0.1:5558",)
    host: str = "127.0.0.1"
    port: int = 8080
    token: str = ""
    origins: tuple[str, ...] = ()
    immutable: tuple[str, ...] = ("/assets/", "/pyodide-")
    session: float = SESSION_SECONDS
    beat: float = 1.0
    credential: Credential | None = None
    limits: BrowserLimits = field(default_factory=BrowserLimits)
    packages: PackageSettings = field(default_factory=PackageSettings)
