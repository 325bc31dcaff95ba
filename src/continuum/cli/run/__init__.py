"""`continuum run`: run a program; list, show and explain runs.

`continuum run app.py` and `continuum run list` are one command to whoever types: what is not the name of a
subcommand is the program (a file called `list` is `./list`).
"""

from typing import Any

import typer
from typer.core import TyperGroup

from continuum.cli.run.cancelling import cancel
from continuum.cli.run.comparing import compare
from continuum.cli.run.crating import crate
from continuum.cli.run.forgetting import forget
from continuum.cli.run.looking import explain, list_, show
from continuum.cli.run.outputs import log
from continuum.cli.run.programs import HELP_OF_PROGRAM, ProgramCommand, program
from continuum.cli.run.resuming import resume
from continuum.cli.run.seeing import gantt, graph, report, trace
from continuum.cli.run.simulating import simulate
from continuum.cli.run.watching import events, watch

_PROGRAM = "program"


class ProgramOrCommand(TyperGroup):
    """A group that takes what is none of its commands as a program to run."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the name of the command that runs programs before anything but the other commands' names."""
        if not args or args[0] not in self.commands or args[0] == _PROGRAM:
            args = [_PROGRAM, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(cls=ProgramOrCommand, add_completion=False, rich_markup_mode="markdown")


@app.callback()
def run() -> None:
    """Run a workflow; list, show and explain runs."""


app.command(
    _PROGRAM,
    cls=ProgramCommand,
    hidden=True,
    no_args_is_help=True,
    epilog=HELP_OF_PROGRAM,
    context_settings={"allow_interspersed_args": False, "help_option_names": ["-h", "--help"]},
)(program)
app.command("list")(list_)
app.command("show")(show)
app.command("explain")(explain)
app.command("log")(log)
app.command("watch")(watch)
app.command("events")(events)
app.command("report")(report)
app.command("gantt")(gantt)
app.command("graph")(graph)
app.command("trace")(trace)
app.command("compare")(compare)
app.command("crate")(crate)
app.command("simulate")(simulate)
app.command("resume")(resume)
app.command("cancel")(cancel)
app.command("forget")(forget)
