"""`continuum demo`: a whole small continuum at work, from nothing, with every outcome checked.

It starts an embedded continuum in a temporary home (on the usual ports if they are free), runs the examples
over its two sites, compares what comes out with what must come out, prints a table and stops everything, also
when something fails or Ctrl-C is pressed. With `--keep` the continuum stays and the demonstration says how to
look around.
"""

import contextlib
import json
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

import continuum
from continuum.cli.demo.commands import Commands
from continuum.cli.demo.outcomes import Report
from continuum.cli.demo.sky_store import show_sky_store
from continuum.cli.demo.stages import Stage
from continuum.cli.demo.survey import show_survey
from continuum.cli.demo.workflows import show_workflows
from continuum.model.errors import ContinuumError, NotFoundError
from continuum.model.stories import format_seconds
from continuum.sites import Home

HUB_PORT = 3000
GATEWAY_PORTS = (8002, 8003)
START_LIMIT_S = 90.0


def demo(
    keep: Annotated[
        bool,
        typer.Option("--keep", help="Leave the continuum running at the end and say how to look around."),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the outcome as JSON at the end, and nothing else on stdout.")
    ] = False,
) -> None:
    """Start a small continuum, run the examples over its two sites, check every outcome, stop it.

    Takes about a minute and a half; exit status 0 if everything was as it must be, else 1. Nothing of it
    touches your own continuum: it has a home of its own, and other ports where the usual ones are taken.
    """
    console = Console(stderr=as_json)
    report = Report(console)
    signal.signal(signal.SIGTERM, _exit_cleanly)
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="continuum-demo-"))
    with _continuum(folder, report, keep=keep) as commands:
        try:
            _show(folder, commands, report)
        except ContinuumError as problem:
            report.check("the demonstration went to its end", False, str(problem))
    report.show()
    console.print(f"took {format_seconds(time.monotonic() - began)}; what is left of it is in {folder}")
    if as_json:
        typer.echo(json.dumps(report.as_json(), indent=2))
    raise typer.Exit(0 if report.is_ok else 1)


@contextlib.contextmanager
def _continuum(folder: Path, report: Report, *, keep: bool) -> Iterator[Commands]:
    """Give commands with a home in `folder`; at the end, however it comes, stop everything."""
    home = folder / "home"
    commands = Commands(home, report.console)
    try:
        yield commands
    finally:
        commands.stop_all()
        if keep:
            _say_how_to_look_around(Home(home), report.console)
        elif (home / "continuum.json").exists():
            _stop(home, commands, report)


def _stop(home: Path, commands: Commands, report: Report) -> None:
    report.say("Stopping everything")
    try:
        commands.continuum("down")
    except ContinuumError as problem:
        report.check("everything is stopped", False, str(problem))
    else:
        report.check("everything is stopped", True)
        shutil.rmtree(home)


def _exit_cleanly(*_: object) -> None:
    sys.exit(128 + signal.SIGTERM)


def _show(folder: Path, commands: Commands, report: Report) -> None:
    report.say("Starting a hub, two sites with a store each, on this machine")
    began = time.monotonic()
    hub_port, *gateway_ports = _choose_ports(HUB_PORT, *GATEWAY_PORTS)
    ports = ["--hub-port", str(hub_port), "--gateway-ports", ",".join(map(str, gateway_ports))]
    commands.start_continuum("up", "up", *ports).wait(START_LIMIT_S)
    report.check(f"everything is ready after {format_seconds(time.monotonic() - began)}", True)
    stage = Stage(
        Home(folder / "home"), commands, report, examples=_find_examples(), pictures=folder / "graphs"
    )
    show_sky_store(stage)
    show_workflows(stage)
    show_survey(stage)


def _choose_ports(*wanted: int) -> list[int]:
    """Return the wanted ports, each replaced by a free one if it is taken."""
    with contextlib.ExitStack() as stack:
        chosen = []
        for port in wanted:
            listener = stack.enter_context(socket.socket())
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                listener.bind(("127.0.0.1", 0))
            chosen.append(int(listener.getsockname()[1]))
        return chosen


def _find_examples() -> Path:
    examples = Path(continuum.__file__).parents[2] / "examples"
    if not (examples / "mvp_workflows").is_dir():
        raise NotFoundError(
            "the examples are not part of this installation",
            hint="clone the project and run `make demo` there",
        )
    return examples


def _say_how_to_look_around(home: Home, console: Console) -> None:
    console.print(
        f"\n[bold]The continuum stays up.[/] Look around, then stop it:\n\n"
        f"  export CONTINUUM_HOME={home.path}\n"
        f"  continuum status\n"
        f"  continuum run list\n"
        f"  continuum run explain survey-gravity\n"
        f'  eval "$(continuum env {home.continuum().sites[0].name})"; aws s3 ls\n'
        f"  continuum down && rm -r {home.path}\n",
        highlight=False,
    )
