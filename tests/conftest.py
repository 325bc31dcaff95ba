"""How properties are tried, which files of tests go first, and a port that is taken."""

import signal
import socket
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

# Three processes take file after file, in this order: one that takes minutes must not be begun last.
LONGEST = (
    "test_running.py",
    "test_skystore.py",
    "test_embedded.py",
    "test_pycompss_programs.py",
    "test_faults.py",
    "test_examples.py",
    "test_gateway_processes.py",
    "test_kinds_of_tasks.py",
    "test_backups.py",
    "test_real_clients.py",
    "test_run_commands.py",
    "test_dask.py",
    "test_process_engine.py",
    "test_resuming.py",
)

# Tests interrupt programs. In the background of a script these would inherit that interrupts are ignored.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the tests of files that take longest go first, the others as they are found."""
    ranks = {name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path.name, len(ranks)))


# No test depends on the machine's pace: a busy machine misses any deadline for an input.
settings.register_profile("steady", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")

# `make fuzz` asks properties of what comes from the network for more inputs than a test run has time for.
settings.register_profile(
    "fuzz", max_examples=1500, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
)


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which somebody listens who claims nothing."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield holder.getsockname()[1]
