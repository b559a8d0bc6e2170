"""The client's operations that run methods where objects live."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from ..operations import Rows, Wire
from .operations import Calling


class Running(Calling):
    """What can be run there. Running here is `getobject(path).method()`."""

    async def run(self, path: str, method: str, /, *args: Any, **kwargs: Any) -> Any:
        """Run a method where the object lives; its result. A changed state becomes a version.

        On a directory it runs on all objects in it: [{"path", "result"} or {"path", "error"}…], by name. The method's
        own errors come as ExecutionFailed, with its traceback and what it printed.
        """
        return await self._call("run", path, method, list(args), kwargs)

    async def runstream(self, path: str, method: str, /, *args: Any, **kwargs: Any) -> AsyncIterator[Wire]:
        """The same as a stream of what happens: "output", "result", "error" and "progress" events, as they come.
        Leaving the loop ends the run."""
        async with aclosing(self._stream("runstream", path, method, list(args), kwargs)) as events:
            async for event in events:
                yield event

    async def run_with_receipt(self, path: str, method: str, /, *args: Any, **kwargs: Any) -> Wire:
        """{"result", "output", "milliseconds", "pointer" (None: nothing changed), "receipt"} of a run."""
        outcome: Wire = await self._call("run", path, method, list(args), kwargs, True)
        return outcome

    async def receipts(self, path: str, before: str = "", limit: int = 100) -> Rows:
        """The last runs of an object's methods, newest first: who ran what, on which version and code, with which
        arguments and result (their SHA-256), where, and how long."""
        rows: Rows = await self._call("receipts", path, before, limit)
        return rows

    async def query(self, path: str) -> Any:
        """Run a query object, `query(self, fs)`, where it lives; its results, which it keeps in `results`."""
        return await self._call("query", path)
