"""Sends Emerge's log records in a worker to the browser's console, apart from the output of cells."""

from __future__ import annotations

import logging


class BrowserConsole(logging.Handler):
    """Writes log records to the browser's console. Imports `js` with the first record."""

    def emit(self, record: logging.LogRecord) -> None:
        import js  # type: ignore[import-not-found,unused-ignore]

        level = "error" if record.levelno >= logging.ERROR else "warn" if record.levelno >= logging.WARNING else "info"
        getattr(js.console, level)(self.format(record))


def log_to_console() -> None:
    """Send Emerge's log records, from warnings up, to the browser's console."""
    handler = BrowserConsole()
    handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
    logger = logging.getLogger("emerge")
    logger.handlers = [handler]  # a memory snapshot may hold one already
