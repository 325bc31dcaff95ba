"""What every engine must do, whatever executes the tasks: written against the protocol `Engine` alone."""

import pytest

from continuum.testing.benches import EngineBench, MakeBench
from continuum.testing.failures import FailureConformance
from continuum.testing.order import OrderConformance
from continuum.testing.values import ValueConformance


class EngineConformance(ValueConformance, FailureConformance, OrderConformance):
    """The suite. Derive a class whose name begins with `Test` and give it the fixture `make_bench`."""

    @pytest.fixture
    def bench(self, make_bench: MakeBench) -> EngineBench:
        """An engine of a site with two computing units."""
        return make_bench()
