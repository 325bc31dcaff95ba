"""How long to wait for a site that has fallen silent before what it has is done again elsewhere.

Nobody knows whether it comes back. Waiting as long as doing it again would take is at most twice as slow as
what somebody would do who knew (ski rental, as for idle workers: see `scaling`). What nobody has seen finish
may take any time: it is worth the longest wait, and so is what no other site can run.
"""

from collections.abc import Iterable

from continuum.model.placement import History
from continuum.model.tasks import Datum, Task

PATIENCE_S = 120.0


def find_patience_s(
    site: str,
    running: Iterable[Task],
    data: Iterable[Datum],
    history: History,
    *,
    units: int,
    limit_s: float = PATIENCE_S,
) -> float:
    """Return for how long a silent `site` is worth waiting for, at most `limit_s`.

    `running` are the tasks that it has, `data` what lies only there. Tasks run beside each other, and so does
    what makes data again, by `units` at a time.
    """
    longest_s = work_s = 0.0
    for task in running:
        if not history.knows(task.function):
            return limit_s
        longest_s = max(longest_s, history.expected_s(task.function, site))
    for datum in data:
        if datum.producer is not None:
            work_s += history.usual_s(datum.producer.function)
            if work_s > units * limit_s:
                return limit_s
    return min(limit_s, longest_s + work_s / max(1, units))
