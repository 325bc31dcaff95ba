"""A short chaos on loopback: processes die and hang under load, and every history can be explained.

The long one, with a link between the sites that is cut, is `make chaos`; see docs/reliability.md.
"""

from pathlib import Path
from typing import Any

import pytest

from benchmarks.chaos.checking import check
from benchmarks.chaos.records import WRITES
from benchmarks.chaos.reports import format_summary, summarise
from benchmarks.chaos.running import Plan, run
from benchmarks.chaos.schedules import Choices
from benchmarks.chaos.worlds import EmbeddedWorld

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

CHOICES = Choices(
    processes=("gateway.edge", "gateway.cloud", "hub", "nats", "store.edge", "store.cloud"),
    fault_s=(0.5, 1.5),
    quiet_s=(0.5, 1.0),
    long_pause_s=0.0,
)
PLAN = Plan(seed=8, seconds=8, workers=3, pause_s=0.02, calm_s=1.0, verifies=False, choices=CHOICES)


async def test_under_short_chaos_every_history_is_linearisable_and_no_byte_is_wrong(
    embedded: Any, tmp_path: Path
) -> None:
    done = await run(EmbeddedWorld(embedded.home), PLAN, tmp_path)
    findings = check(done.records)
    told = format_summary(summarise(done, findings))
    assert not findings.violations, told
    assert not findings.undecided, told
    assert len(done.faults) >= 3
    assert any(record.operation in WRITES and record.is_answered for record in done.records)
