"""What a transfer did so far, counted in one place for progress, summary and exit status."""

from collections import Counter
from collections.abc import Mapping

from continuum.model.transfers import Reason
from continuum.store.transfers.planning import Step

MAX_TOLD = 1000


class Tally:
    """Counts of objects and bytes. `failures` has the first so many keys that failed, with the reason.

    `is_planned`: both ends are listed, so the totals are final.
    """

    def __init__(self) -> None:
        self.listed_objects = 0
        self.listed_bytes = 0
        self.planned_objects = 0
        self.planned_bytes = 0
        self.sent_objects = 0
        self.sent_bytes = 0
        self.present_objects = 0
        self.resumed_objects = 0
        self.resumed_bytes = 0
        self.removed = 0
        self.deleted = 0
        self.failed = 0
        self.retries = 0
        self.reasons: Counter[Reason] = Counter()
        self.failures: dict[str, str] = {}
        self.note = ""
        self.is_planned = False

    def plan(self, step: Step) -> None:
        """An object was listed and compared."""
        size_bytes = step.line.size_bytes
        self.listed_objects += 1
        self.listed_bytes += size_bytes
        self.reasons[step.reason] += 1
        if step.reason is Reason.SAME:
            self.present_objects += 1
        else:
            self.planned_objects += 1
            self.planned_bytes += size_bytes

    def skip(self, step: Step, *, resumed: bool = False) -> None:
        """An object need not be sent, as was found later: it was before, or its content is the same."""
        if step.reason is Reason.SAME:
            return
        self.planned_objects -= 1
        self.planned_bytes -= step.line.size_bytes
        self.present_objects += 1
        self.resumed_objects += resumed

    def resume(self, size_bytes: int) -> None:
        """Parts are there from before."""
        self.resumed_bytes += size_bytes
        self.planned_bytes -= size_bytes

    def pass_bytes(self, size_bytes: int) -> None:
        """A piece is in place."""
        self.sent_bytes += size_bytes

    def send(self) -> None:
        """An object is in place, verified."""
        self.sent_objects += 1

    def fail(self, key: str, reason: str) -> None:
        """An object could not be dealt with."""
        self.failed += 1
        if len(self.failures) < MAX_TOLD:
            self.failures[key] = reason

    def take_problems(self, *problems: Mapping[str, str]) -> None:
        """Keys that could not even be tried."""
        for each in problems:
            for key, reason in each.items():
                self.fail(key, reason)
