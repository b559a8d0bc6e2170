"""What a reader knows of one holder of blocks: how fast it answers, what is asked of it, and whether it can be trusted.

Pure: moments are passed in, in seconds of any clock that only goes forward.
"""

from __future__ import annotations

from dataclasses import dataclass, field

LEAST_LATE, FIRST_LATE, MOST_LATE = 0.1, 0.5, 20.0
"""Seconds after which a request is late: at least, before anything was measured, and at most."""

REQUESTS, FIRST_REQUESTS = 4, 2
"""Requests under way at one holder: at most, and at first. Each answer that comes soon allows one more."""

SOON = 0.5
"""Seconds. Whoever takes longer for an answer has enough to do with as many requests as at first: more of them would
fill its link, and wait there until they are taken for late."""

TRIES = 3
"""Failures in a row after which a holder is asked no more, and times that it is asked for one piece."""

REST, LATE_REST, MOST_REST = 0.1, 1.0, 30.0
"""Seconds that a holder rests after a failure, and after another one was faster though asked later; four times as long
after the next, up to the last."""

LIMIT = 60.0
"""Seconds after which a holder that answers nothing has failed."""

FORGET = 10.0
"""Seconds without a request (or so many times an answer's) after which a holder is expected to be twice as fast as it
was, so that it is tried again."""

SMOOTHING = 0.25
"""The weight of the newest answer in what is measured."""


@dataclass
class HolderRecord:
    """One holder, as it is seen by who reads from it."""

    name: str
    service: float = 0.0  # seconds of an answer, smoothed; 0: nothing measured
    deviation: float = 0.0
    depth: float = 1.0  # requests under way when one of those was sent, smoothed alike
    allowed: int = FIRST_REQUESTS
    failures: int = 0  # in a row
    passed_over: int = 0  # times in a row that another one, asked later, was faster
    penalty: float = 0.0  # seconds that it was waited for in vain
    rests_until: float = 0.0
    failed_at: float = float("-inf")
    heard: float = float("-inf")
    lied: bool = False
    gone: str = ""  # why it is asked no more
    under_way: dict[int, float] = field(default_factory=dict)  # request -> when it was sent
    places: dict[int, int] = field(default_factory=dict)  # request -> how many were under way with it

    @property
    def late_after(self) -> float:
        """Seconds after which another holder is asked too: longer than nearly all its answers took."""
        if not self.service:
            return FIRST_LATE
        return min(max(self.service + 4 * self.deviation, LEAST_LATE), MOST_LATE)

    def late_at(self, request: int) -> float:
        """The moment from which on a request is late. Answers may come one after the other, over a link that is full:
        one that was sent after more others than those that were measured may take longer in proportion."""
        return self.under_way[request] + self.late_after * max(self.places[request] / self.depth, 1)

    def given_up_at(self, request: int) -> float:
        """The moment at which a request has failed, unless the holder answers another one until then."""
        return max(self.under_way[request], self.heard) + LIMIT

    def is_stalled(self, now: float) -> bool:
        """Whether something is late, and nothing else came of it meanwhile."""
        return bool(self.under_way) and now >= max(min(self.under_way.values()), self.heard) + self.late_after

    def has_room(self) -> bool:
        return len(self.under_way) < self.allowed

    def is_resting(self, now: float) -> bool:
        return now < self.rests_until

    def expected(self, now: float) -> float:
        """Seconds until the answer to one more request, as far as one can say."""
        waits = now - min(self.under_way.values(), default=now)
        idle = 0.0 if self.under_way else max(now - self.heard, 0.0)
        service = self.service / (1 + idle / (FORGET * max(self.service, 1)))
        return max(service, self.penalty, waits) * (1 + len(self.under_way) / self.allowed)

    def begin(self, request: int, now: float) -> None:
        self.under_way[request] = now
        self.places[request] = len(self.under_way)

    def end(self, request: int, now: float, *, measured: bool) -> None:
        """A request was answered; `measured`: with bytes."""
        seconds = now - self.under_way.pop(request)
        place = self.places.pop(request)
        self.heard = now
        self.failures = self.passed_over = 0
        self.penalty = 0.0
        if measured:
            self._measure(seconds, place)
            self.allowed = min(self.allowed + 1, REQUESTS if self.service < SOON else FIRST_REQUESTS)

    def leave(self, request: int, now: float) -> None:
        """What a request asks for is not needed any more. If it is late, the holder rests."""
        sent, late = self.under_way[request], now >= self.late_at(request)
        del self.under_way[request], self.places[request]
        if late and sent >= self.failed_at:
            self.failed_at = now
            self.passed_over += 1
            self.penalty = now - sent
            self.allowed = 1
            self.rests_until = now + min(LATE_REST * 4 ** (self.passed_over - 1), MOST_REST)

    def fail(self, request: int, now: float, why: str, *, final: bool) -> None:
        """A request failed. Several that were under way together are one failure."""
        sent = self.under_way.pop(request)
        del self.places[request]
        if final:
            self.gone = self.gone or why
        if sent < self.failed_at:
            return
        self.failures += 1
        self.failed_at = now
        self.allowed = 1
        self.rests_until = now + min(REST * 4 ** (self.failures - 1), MOST_REST)
        if self.failures >= TRIES:
            self.gone = self.gone or why

    def _measure(self, seconds: float, place: int) -> None:
        if not self.service:
            self.service, self.deviation, self.depth = max(seconds, 1e-6), seconds / 2, place
            return
        self.depth += SMOOTHING * (place - self.depth)
        self.deviation += SMOOTHING * (abs(seconds - self.service) - self.deviation)
        self.service += SMOOTHING * (seconds - self.service)
