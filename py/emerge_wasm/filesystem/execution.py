"""The runner of shipped code that a filesystem uses. Imports only the core and the runner's Protocol."""

from __future__ import annotations

from dataclasses import dataclass

from .core import Part
from .runner import Runner


@dataclass(slots=True)
class CodeExecution:
    """The runner (None: this filesystem runs no code), and the limit of wall time for one run, in seconds."""

    runner: Runner | None = None
    timeout: float = 30.0


EXECUTION = Part(CodeExecution)
