"""Tasks with several ways to be done (`@implement`): each is placed as if it were the only one, and the one
that is expected to be done first is taken.

At equal expectations (nothing is known yet) an alternative comes before the task that the program calls: it
was written because it is better where it can run.
"""

from collections.abc import Callable, Sequence

import msgspec

from continuum.model.placement import Decision
from continuum.model.tasks import Needs, Task
from continuum.workflow.messages import FunctionCode


class Variant(msgspec.Struct, frozen=True, kw_only=True):
    """One way to do a task."""

    name: str
    code: FunctionCode
    needs: Needs
    engine: str
    time_out_s: float


def choose_variant(
    task: Task, variants: Sequence[Variant], choose: Callable[[Task], Decision]
) -> tuple[Decision, Variant]:
    """Return the best decision for any of the ways to do `task`, and that way; the task is left as it was."""
    needs, function = task.needs, task.function
    best: tuple[float, Decision, Variant] | None = None
    try:
        for variant in variants:
            task.needs, task.function = variant.needs, variant.name
            decision = choose(task)
            total_s = _total_s(decision) if decision.site else float("inf")
            if best is None or total_s < best[0]:
                best = (total_s, decision, variant)
    finally:
        task.needs, task.function = needs, function
    assert best is not None  # noqa: S101 - there are variants
    _, decision, variant = best
    reason = f"as {variant.name}: {decision.reason}" if decision.site else decision.reason
    return msgspec.structs.replace(decision, reason=reason), variant


def _total_s(decision: Decision) -> float:
    row = next((row for row in decision.table if row.site == decision.site), None)
    return decision.run_s if row is None else row.total_s
