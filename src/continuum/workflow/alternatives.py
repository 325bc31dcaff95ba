"""Tasks with several ways to be done (`@implement`): each is placed as if it were the only one, and the one
that is expected to be done first is taken.

A way that has never been taken is expected to take as long as the quickest that is known. At equal
expectations an alternative comes before the task that the program calls: it was written because it is better
where it can run.
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
    task: Task,
    variants: Sequence[Variant],
    choose: Callable[[Task], Decision],
    knows: Callable[[str], bool],
) -> tuple[Decision, Variant]:
    """Return the best decision for any of the ways to do `task`, and that way; the task is left as it was."""
    needs, function = task.needs, task.function
    decisions: list[tuple[Decision, Variant]] = []
    try:
        for variant in variants:
            task.needs, task.function = variant.needs, variant.name
            decisions.append((choose(task), variant))
    finally:
        task.needs, task.function = needs, function
    known = [decision.run_s for decision, variant in decisions if knows(variant.name)]

    def end_s(each: tuple[Decision, Variant]) -> float:
        decision, variant = each
        if not decision.site:
            return float("inf")
        is_known = knows(variant.name) or not known
        return _total_s(decision) - decision.run_s + (decision.run_s if is_known else min(known))

    decision, variant = min(decisions, key=end_s)
    reason = f"as {variant.name}: {decision.reason}" if decision.site else decision.reason
    return msgspec.structs.replace(decision, reason=reason), variant


def _total_s(decision: Decision) -> float:
    row = next((row for row in decision.table if row.site == decision.site), None)
    return decision.run_s if row is None else row.total_s
