"""Who runs shipped code for a filesystem. Imports the core and the runner's Protocol only."""

from __future__ import annotations

from dataclasses import dataclass

from .core import Part
from .runner import Runner


@dataclass(slots=True)
class CodeExecution:
    """The runner (None: this filesystem runs no code), and the seconds of wall time that one run may take."""

    runner: Runner | None = None
    timeout: float = 30.0


EXECUTION = Part(CodeExecution)
