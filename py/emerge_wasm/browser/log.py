"""Log records of Emerge in a worker: they go to the browser's console, not among what a cell prints."""

from __future__ import annotations

import logging


class BrowserConsole(logging.Handler):
    """Writes log records to the browser's console. Imports `js` when one comes."""

    def emit(self, record: logging.LogRecord) -> None:
        import js  # type: ignore[import-not-found,unused-ignore]

        level = "error" if record.levelno >= logging.ERROR else "warn" if record.levelno >= logging.WARNING else "info"
        getattr(js.console, level)(self.format(record))


def log_to_console() -> None:
    """Send what Emerge logs, from warnings up, to the browser's console."""
    handler = BrowserConsole()
    handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
    logger = logging.getLogger("emerge")
    logger.handlers = [handler]  # a memory snapshot may hold one already
