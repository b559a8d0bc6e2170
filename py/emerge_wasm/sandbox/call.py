"""One call with what bounds it, and what it comes to: a good end, or the error to tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from ..errors import EmergeError, ExecutionFailed, LimitExceeded
from .deadline import BUSY, LATE, Deadline
from .frame import BadFrame
from .host_session import Conversation
from .message import Done, Failed, Probed, Values
from .process import Gone, Process

End = TypeVar("End", Done, Values, Probed)


@dataclass(slots=True)
class Errand:
    """`what` it is called in messages; `wall` and `processor` seconds. `peak` is afterwards the most memory that its
    worker says it had, -1 where it may have left something behind and is to end."""

    what: str
    path: str | None
    wall: float
    processor: float
    peak: int = 0

    async def run(self, process: Process, talk: Conversation, request: bytes, kind: type[End]) -> End:
        """The good end that this kind of call has. Raises what a Runner may."""
        self.peak = -1
        try:
            with Deadline(process, self.wall, self.processor):
                end = await talk.hold(request)
            if isinstance(end, kind):
                self.peak = end.peak
                return end
            if isinstance(end, Failed):
                raise self._failure(end)
            raise BadFrame("it answered something else")
        except LimitExceeded as error:
            raise self._named(error, talk) from None
        except BadFrame as fault:
            process.kill(str(fault))
        except Gone:
            pass
        raise await self._death(process, talk)

    def _failure(self, end: Failed) -> EmergeError:
        if not isinstance(end.error, LimitExceeded):
            self.peak = end.peak
        return end.error

    def _named(self, error: LimitExceeded, talk: Conversation) -> LimitExceeded:
        if self.what not in error.message:
            error.message = f"{self.what}: {error.message}"
        error.path = error.path or self.path
        error.details.setdefault("output", talk.output)
        return error

    async def _death(self, process: Process, talk: Conversation) -> EmergeError:
        """The error to tell when a worker ended in the middle of a call."""
        how = await process.epitaph()
        told = {"output": talk.output, "traceback": ""}
        if how == LATE:
            message = f"{self.what}: it took longer than {self.wall:g} s"
            return LimitExceeded(message, path=self.path, limit="wall time", **told)
        if how == BUSY:
            message = f"{self.what}: it used more than {self.processor:g} s of processor time"
            return LimitExceeded(message, path=self.path, limit="processor time", **told)
        return ExecutionFailed(
            f"{self.what}: its process died: {how}", path=self.path, remedy="other calls are not affected", **told
        )
