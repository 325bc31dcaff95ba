"""`runcompss-k8s [OPTIONS] APP.py [ARGUMENTS]`: a PyCOMPSs program on a cluster that is a site.

The program itself runs in a pod (usual) or on this machine (`--deploy-mode client`); its tasks run in worker
pods that the site makes for it. The options are read by `options`; the rest is `continuum run` here, and
`launching` for a pod.
"""

import os
import sys
from typing import Annotated, NoReturn

import typer

from continuum.cli.runcompss_k8s.launches import Launch
from continuum.cli.runcompss_k8s.options import OPTIONS, USAGE, parse_command
from continuum.model.errors import ContinuumError

HELP = f"""
Usage: `{USAGE}`

Examples:

* `runcompss-k8s --site lab --workers 4 app.py 10` - the program in a pod, its tasks in four worker pods

* `runcompss-k8s --site lab --workers 0-8 --worker-memory 2G app.py` - as many workers as there is work for

* `runcompss-k8s --site lab --deploy-mode client --workers 4 app.py` - the program here, its tasks there

* `runcompss-k8s --site lab --detach app.py`, `runcompss-k8s --attach RUN` - leave it alone; follow it again

* `runcompss-k8s --worker-pods=2 --image-name=registry.example/app:1 --context-dir=/app app.py` - as published

* `runcompss-k8s --site lab --dry-run app.py` - print the manifests

Options:

{{options}}

All others are options of `runcompss` (`continuum runcompss --help`); what follows APP.py is the program's.
"""

runcompss_k8s = typer.Typer(add_completion=False, rich_markup_mode="markdown")


def format_options() -> str:
    """Return the options for the help."""
    lines = []
    for option in OPTIONS:
        names = ", ".join(f"`{name}`" for name in option.names)
        takes = f" {option.takes.removesuffix('?')}" if option.takes else ""
        lines.append(f"* {names}{takes} - {option.fate + ': ' if option.fate else ''}{option.text}")
    return "\n\n".join(lines)


@runcompss_k8s.command(
    context_settings={
        "allow_interspersed_args": False,
        "ignore_unknown_options": True,
        "help_option_names": ["-h", "--help"],
    },
    no_args_is_help=True,
    epilog=HELP.replace("{options}", format_options()),
)
def program(
    words: Annotated[
        list[str],
        typer.Argument(metavar="[OPTIONS] APP.py [ARGUMENTS]", help="Options, program, its arguments."),
    ],
) -> None:
    """Run a PyCOMPSs program on a Kubernetes cluster that is a site of the continuum."""
    launch = parse_command(words)
    for note in launch.notes:
        typer.echo(f"runcompss-k8s: {note}", err=True)
    if launch.is_debug:
        os.environ["CONTINUUM_DEBUG"] = "1"
    if launch.in_cluster:
        from continuum.cli.runcompss_k8s.starting import start  # noqa: PLC0415 - needs a client of Kubernetes

        start(launch)
    else:
        _run_here(launch)


def _run_here(launch: Launch) -> NoReturn:
    from continuum.cli.runcompss_k8s.here import run_here  # noqa: PLC0415 - loads the driver

    raise typer.Exit(run_here(launch))


def main() -> None:
    """Run `runcompss-k8s` and exit with its status."""
    from continuum.cli.main import as_command, tell_error  # noqa: PLC0415 - the command line is built from here

    try:
        as_command(runcompss_k8s, "runcompss-k8s").main(
            args=sys.argv[1:] or ["--help"], prog_name="runcompss-k8s"
        )
    except ContinuumError as problem:
        if os.environ.get("CONTINUUM_DEBUG"):
            raise
        tell_error(problem)
        sys.exit(1)
