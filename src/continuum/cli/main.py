"""The `continuum` command: its commands, loaded when they are used, and how errors are told.

An error that is meant for a person is one message and a hint, exit status 1; `--debug` shows where it came
from.
"""

import os
import sys
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from continuum.model.errors import ContinuumError

EXAMPLES = """
Examples:

* `continuum up` - start a hub and two sites, edge and cloud, on this machine

* `continuum status` - see how every process stands

* `eval "$(continuum env edge)"` - point aws, boto3 and the like at the gateway of edge

* `continuum run app.py` - run a workflow over both sites

* `continuum down` - stop everything; all data stay
"""

# name: (module, attribute, help). The help stands here so that `--help` loads no command's module.
COMMANDS: dict[str, tuple[str, str, str]] = {
    "up": ("continuum.cli.up", "up", "Start the embedded continuum on this machine."),
    "down": ("continuum.cli.down", "down", "Stop it; all data stay."),
    "status": ("continuum.cli.status", "status", "Show how every process stands."),
    "demo": ("continuum.cli.demo", "demo", "See it all at work on a fresh embedded continuum."),
    "run": ("continuum.cli.run", "app", "Run a workflow; list, show and explain runs."),
    "runcompss": (
        "continuum.cli.runcompss",
        "runcompss",
        "Run a PyCOMPSs program with the options of COMPSs' runcompss.",
    ),
    "runcompss-k8s": (
        "continuum.cli.runcompss_k8s",
        "runcompss_k8s",
        "Run a PyCOMPSs program on a Kubernetes cluster that is a site.",
    ),
    "site": ("continuum.cli.site", "app", "List and show sites."),
    "hub": ("continuum.cli.hub", "app", "Put the hub into a Kubernetes cluster."),
    "image": ("continuum.cli.image", "app", "Build and check container images, without Docker."),
    "store": ("continuum.cli.store", "app", "List, add, remove and check stores."),
    "bucket": ("continuum.cli.bucket", "app", "List buckets; what S3 has no word for."),
    "object": ("continuum.cli.object", "app", "Explain where the copies of an object are, and why."),
    "user": ("continuum.cli.user", "app", "Add, list and remove users of the store."),
    "env": ("continuum.cli.env", "env", "Print what points S3 clients at a site's gateway."),
    "version": ("continuum.cli.version", "version", "Print the version."),
}


class LazyCommands(TyperGroup):
    """A group whose commands are imported when they are used; its help needs none of them."""

    _is_helping = False

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 -- the base's signature
        """Return the names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        """Return the command `cmd_name`; None if there is none."""
        known = COMMANDS.get(cmd_name)
        if known is None:
            return None
        module, attribute, text = known
        if self._is_helping:
            return TyperCommand(cmd_name, help=text)
        return as_command(getattr(import_module(module), attribute), cmd_name)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help without importing the commands."""
        self._is_helping = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self._is_helping = False


def as_command(found: Any, name: str) -> Any:
    """Return a command from a typer application, or from a plain function with typer's annotations."""
    application = found
    if not isinstance(found, typer.Typer):
        application = typer.Typer(add_completion=False, rich_markup_mode="markdown")
        application.command(name=name, context_settings={"help_option_names": ["-h", "--help"]})(found)
    command = get_command(application)
    command.name = name
    return command


cli = typer.Typer(
    cls=LazyCommands,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        import continuum as package  # noqa: PLC0415

        typer.echo(package.__version__)
        raise typer.Exit


@cli.callback(epilog=EXAMPLES)
def continuum(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show where an error came from, and what the libraries log.")
    ] = False,
    version: Annotated[  # noqa: ARG001 - acted on where it is parsed
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """One place to keep data and one place to compute, over many sites."""
    if debug:
        import logging  # noqa: PLC0415

        os.environ["CONTINUUM_DEBUG"] = "1"
        logging.basicConfig(level=logging.DEBUG)


def main() -> None:
    """Run the command line and exit with its status."""
    try:
        cli()
    except ContinuumError as problem:
        if os.environ.get("CONTINUUM_DEBUG"):
            raise
        tell_error(problem)
        sys.exit(1)


def tell_error(problem: ContinuumError) -> None:
    """Print the message, the last words of who failed, and the hint on standard error."""
    typer.secho("error: ", fg="red", bold=True, err=True, nl=False)
    typer.echo(problem.message, err=True)
    for line in getattr(problem, "lines", ()):
        typer.secho(f"  | {line}", dim=True, err=True)
    if problem.hint:
        typer.secho("hint:  ", fg="cyan", bold=True, err=True, nl=False)
        typer.echo(problem.hint, err=True)
