"""`continuum runcompss [OPTIONS] APP.py [ARGUMENTS]`: command lines of COMPSs, as they are.

The options are translated (`options.OPTIONS`) and `continuum run` does the rest. What means nothing here is
told on standard error with the reason; what would have to be ignored although it matters is refused.
"""

import os
import subprocess
import sys
import threading
from typing import Annotated, Any

import typer

from continuum.cli.runcompss.options import OPTIONS, parse_command
from continuum.model.errors import InvalidInputError
from continuum.workflow import stop_run

SCRIPT_TIMEOUT_S = 120
_SHELLS_OWN = frozenset(("_", "SHLVL", "PWD", "OLDPWD", "LINES", "COLUMNS"))

runcompss = typer.Typer(add_completion=False, rich_markup_mode="markdown")


@runcompss.command(
    context_settings={
        "allow_interspersed_args": False,
        "ignore_unknown_options": True,
        "help_option_names": ["-h", "--help"],
    },
    no_args_is_help=True,
    epilog="Options of COMPSs: " + " ".join(f"`{option.names[0]}`" for option in OPTIONS),
)
def program(
    words: Annotated[
        list[str], typer.Argument(metavar="[OPTIONS] APP.py [ARGUMENTS]", help="As for COMPSs' runcompss.")
    ],
) -> None:
    """Run a PyCOMPSs program with the options of `runcompss`."""
    plan = parse_command(words)
    for note in plan.notes:
        typer.echo(f"runcompss: {note}", err=True)
    prepared = [*plan.words, *take_environment(plan.scripts, plan.python_path)]
    if plan.is_debug:
        os.environ["CONTINUUM_DEBUG"] = "1"
    if plan.wall_clock_s:
        limit_wall_clock(plan.wall_clock_s)
    _run([*prepared, plan.app, *plan.arguments])


def _run(words: list[str]) -> None:
    from continuum.cli.main import as_command  # noqa: PLC0415 - the command line is built from here
    from continuum.cli.run import app  # noqa: PLC0415 - loads the driver

    command: Any = as_command(app, "run")
    status = command.main(args=words, prog_name="continuum run", standalone_mode=False)
    raise typer.Exit(status or 0)  # which is returned in this mode, not raised


def limit_wall_clock(limit_s: float) -> None:
    """Cancel the run of this process after so long."""
    reason = f"the wall clock limit of {limit_s:g} s was reached"
    timer = threading.Timer(limit_s, stop_run, (reason,))
    timer.daemon = True
    timer.start()


def take_environment(scripts: list[str], python_path: list[str]) -> list[str]:
    """Take over what scripts set and where modules lie; return the words that tell the tasks."""
    changed: dict[str, str] = {}
    for script in scripts:
        changed |= _source(script)
    if python_path:
        folders = [os.path.abspath(place) for place in python_path]  # noqa: PTH100 - keeps links
        sys.path[1:1] = folders
        known = changed.get("PYTHONPATH", os.environ.get("PYTHONPATH", ""))
        changed["PYTHONPATH"] = os.pathsep.join([*folders, *([known] if known else [])])
    os.environ.update(changed)
    return [word for name, value in changed.items() for word in ("--env", f"{name}={value}")]


def _source(script: str) -> dict[str, str]:
    """Return the variables that a shell script sets. Raises `InvalidInputError` if it fails."""
    done = subprocess.run(
        ["bash", "-c", '. "$0" >&2 && env -0', script],
        capture_output=True,
        timeout=SCRIPT_TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise InvalidInputError(f"--env_script={script} failed: {said}")
    pairs = (line.partition("=") for line in done.stdout.decode(errors="replace").split("\0") if line)
    return {
        name: value for name, _, value in pairs if os.environ.get(name) != value and name not in _SHELLS_OWN
    }
