"""How fast each store was lately: time to the first byte, and bytes per second of larger bodies.

Moving averages that forget half in about five reads. Nothing is measured on purpose, so of a store that was
not read from nothing is known; it then comes first, and is known after that.
"""

import time

SHARE = 0.13
MIN_BYTES = 256 * 1024  # of smaller bodies the time to the first byte is all that counts


class Speeds:
    """What was measured, by store."""

    def __init__(self) -> None:
        self.latency_s: dict[str, float] = {}
        self.bytes_per_s: dict[str, float] = {}

    def note_reply(self, store: str, started_at: float) -> None:
        """A store began to answer a request of this instant of the monotonic clock."""
        _move(self.latency_s, store, time.monotonic() - started_at)

    def note_body(self, store: str, size_bytes: int, started_at: float) -> None:
        """A body of a store was complete that began at this instant of the monotonic clock."""
        lasted_s = time.monotonic() - started_at
        if size_bytes >= MIN_BYTES and lasted_s > 0:
            _move(self.bytes_per_s, store, size_bytes / lasted_s)

    def find_seconds_per_byte(self, store: str) -> float:
        """Return how slow a store is; 0 if that is not known."""
        known = self.bytes_per_s.get(store)
        return 1.0 / known if known else 0.0


def _move(averages: dict[str, float], store: str, value: float) -> None:
    before = averages.get(store, value)
    averages[store] = before + SHARE * (value - before)
