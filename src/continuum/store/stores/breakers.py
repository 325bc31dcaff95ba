"""A circuit breaker: stop asking a store that does not answer, try it again after a while.

Pure: `now` (seconds of a monotonic clock) is an argument. Only failures of the connection count (refused,
cut off, timed out); an error that the store answers is an answer. After `threshold` failures in a row the
breaker opens for `open_s`, doubled at every further failure up to `longest_open_s`. Once that time is over
one request at a time may probe; a success closes the breaker.
"""

THRESHOLD = 3
OPEN_S = 0.5
LONGEST_OPEN_S = 2.0
PROBE_S = 5.0


class Breaker:
    """Counts failures in a row and says whether a request may go out."""

    __slots__ = ("_failures", "_longest_open_s", "_open_s", "_open_until", "_probing_until", "_threshold")

    def __init__(
        self, *, threshold: int = THRESHOLD, open_s: float = OPEN_S, longest_open_s: float = LONGEST_OPEN_S
    ) -> None:
        self._threshold = threshold
        self._open_s = open_s
        self._longest_open_s = longest_open_s
        self._failures = 0
        self._open_until = 0.0
        self._probing_until = 0.0

    def is_open(self, now: float) -> bool:
        """Whether the store is known to be down at this moment."""
        return self._failures >= self._threshold and now < max(self._open_until, self._probing_until)

    def allow(self, now: float) -> bool:
        """Whether a request may go out; if it is the probe of an open breaker, the next one waits for its
        outcome."""
        if self._failures < self._threshold:
            return True
        if self.is_open(now):
            return False
        self._probing_until = now + PROBE_S
        return True

    def succeed(self) -> None:
        """The store answered."""
        self._failures = 0
        self._probing_until = 0.0

    def fail(self, now: float) -> None:
        """The store did not answer. Requests that were under way when it opened do not open it longer."""
        if self.is_open(now) and not self._probing_until:
            return
        self._failures += 1
        self._probing_until = 0.0
        if self._failures >= self._threshold:
            doublings = min(self._failures - self._threshold, 16)
            self._open_until = now + min(self._open_s * 2**doublings, self._longest_open_s)
