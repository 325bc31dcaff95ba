"""Lines of a log that is read again from an instant on after the connection was lost: none twice. Pure.

A server takes the instant to the second, so what was said in that second comes again. Lines bear their
instants (RFC 3339, nanoseconds), which only grow; of lines with the same one so many are left out as were
taken before.
"""

import re

NO_LOG = "unable to retrieve container logs"  # a kubelet's own words where a log was, of a pod that has gone
_STAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:Z|[+-]\d\d:\d\d)")


class LogMerge:
    """What was taken so far. `since` is from when on to read again; empty: from the beginning."""

    def __init__(self) -> None:
        self.since = ""
        self._last = ""
        self._count = 0  # of lines with the last instant
        self._again = 0  # of those, how many came again

    def reconnect(self) -> None:
        """A new stream begins at `since`."""
        self._again = 0

    def take(self, line: str) -> str | None:
        """Return the text of a line; None if it was taken before."""
        stamp, _, text = line.partition(" ")
        found = _STAMP.fullmatch(stamp)
        if found is None:
            return None if line.startswith(NO_LOG) else line
        instant = f"{found[1]}.{(found[2] or '').ljust(9, '0')}"
        if instant < self._last:
            return None
        if instant == self._last:
            self._again += 1
            if self._again <= self._count:
                return None
            self._count = self._again
            return text
        self._last, self._count, self._again = instant, 1, 1
        self.since = f"{found[1]}Z" if stamp.endswith("Z") else stamp
        return text
