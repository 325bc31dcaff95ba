"""Tests for those who extend continuum: conformance suites, to be derived from and run with pytest.

Belongs here: what a new engine must pass, and what is needed to write such tests. Never here: what the
platform itself needs to run. Needs pytest and numpy (`pip install extract-continuum[testing]`).

    from continuum.testing import EngineBench, EngineConformance

    @pytest.fixture
    def make_bench(tmp_path):
        ...  # a function that returns `EngineBench(MyEngine(...), folder, **run)`; close them in the end

    class TestMyEngine(EngineConformance):
        pass
"""

import pytest

for _name in ("benches", "failures", "order", "values"):
    pytest.register_assert_rewrite(f"{__name__}.{_name}")

from continuum.testing.benches import (  # noqa: E402 -- after pytest was told to explain their assertions
    EngineBench,
    MakeBench,
    Slot,
    call,
    code_of,
    is_alive,
    kill,
    run_spec,
    wait_until,
)
from continuum.testing.engines import EngineConformance  # noqa: E402

__all__ = [
    "EngineBench",
    "EngineConformance",
    "MakeBench",
    "Slot",
    "call",
    "code_of",
    "is_alive",
    "kill",
    "run_spec",
    "wait_until",
]
