"""What a relay is told when it starts. Plain data; reads no environment and no file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class BrowserLimits:
    """Bounds per browser, but for `browsers`, their number. Sizes in bytes, times in seconds.

    `requests` under way together hold at most `request_bytes`; `queue` messages of at most `queue_bytes` wait for a
    reader that is slow, which then has `patience` to take its leave.
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
    """`data` is where the secret that signs sessions is kept, `dist` the built page, `nodes` endpoints to try in order.

    `token` is what programs show ("" lets none in), `origins` more addresses under which browsers see this relay,
    `immutable` the beginnings of paths whose contents never change. `beat` is how often (s) nodes are asked for life.
    """

    data: Path
    dist: Path | None = None
    nodes: tuple[str, ...] = ("tcp://127.0.0.1:5558",)
    host: str = "127.0.0.1"
    port: int = 8080
    token: str = ""
    origins: tuple[str, ...] = ()
    immutable: tuple[str, ...] = ("/assets/", "/pyodide-")
    session: float = 30 * 24 * 3600.0
    beat: float = 1.0
    limits: BrowserLimits = field(default_factory=BrowserLimits)
