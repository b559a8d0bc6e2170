"""The engines that hold a filesystem's keys and values, one folder or file each, chosen by URL.

Importing this imports no engine: each is imported when a URL first names it.
"""

from __future__ import annotations

from .engine import ENGINES, Engine, open_store

__all__ = ["ENGINES", "Engine", "open_store"]
