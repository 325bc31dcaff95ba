"""Starting the embedded continuum: `start` leaves a daemon behind, `run_in_foreground` stays."""

import sys
from collections.abc import Callable

import msgspec

from continuum.sites.documents import parse_document
from continuum.sites.embedded.added import prepare_directories
from continuum.sites.embedded.plans import plan
from continuum.sites.embedded.preparing import MIN_FREE_BYTES, UpOptions, prepare
from continuum.sites.homes import Home
from continuum.sites.supervision.folders import ensure_home
from continuum.sites.supervision.plans import Plan
from continuum.sites.supervision.starting import Report, run_daemon, start_daemon, supervise

_HINT = "`continuum status` shows it, `continuum down` stops it"


def start(home: Home, options: UpOptions, report: Report) -> None:
    """Start the continuum of `home` in the background and return when it is ready.

    `report` hears what happens. Raises `StartFailedError` (or another `ContinuumError`); then nothing runs.
    """
    ensure_home(home, min_free_bytes=MIN_FREE_BYTES)
    command = [sys.executable, "-m", "continuum.sites.embedded", str(home.path)]
    start_daemon(home, [*command, msgspec.json.encode(options).decode()], report)


def run_in_foreground(home: Home, options: UpOptions, report: Report) -> None:
    """Run the continuum of `home` in this process until SIGINT or SIGTERM. Raises as `start` does."""
    ensure_home(home, min_free_bytes=MIN_FREE_BYTES)
    supervise(home, _planner(home, options), report, hint=_HINT)


def main(arguments: list[str]) -> int:
    """Run as the daemon: home, options (JSON) and the descriptor to report to."""
    home, options = Home(arguments[0]), parse_document(arguments[1], UpOptions)
    return run_daemon(home, _planner(home, options), int(arguments[2]), hint=_HINT)


def _planner(home: Home, options: UpOptions) -> Callable[[Callable[[str], None]], Plan]:
    def make_plan(tell: Callable[[str], None]) -> Plan:
        settings = prepare(home, options, tell)
        added = prepare_directories(home, settings.environment, settings.listen)
        return plan(msgspec.structs.replace(settings, added=added))

    return make_plan
