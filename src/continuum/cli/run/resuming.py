"""`continuum run resume`: go on with a run that failed, was cancelled, or whose driver died."""

import os
from pathlib import Path
from typing import Annotated

import typer

from continuum.cli.options import HomeOption, JsonOption, open_home
from continuum.cli.run.arguments import RunArgument
from continuum.cli.run.programs import drive
from continuum.workflow import choose_to_resume, find_folder


def resume(
    run: RunArgument,
    changed_ok: Annotated[
        bool,
        typer.Option(
            "--changed-ok", help="Also if the program was changed: what has changed in it runs again."
        ),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Go on with a run that failed, was cancelled, or whose driver died.

    The program runs again from its start, in the folder and with the arguments, variables and options of the
    first time. Tasks that had finished are not run again, unless their results are needed and gone.
    """
    opened = open_home(home)
    beginning = choose_to_resume(find_folder(opened.runs(), run))
    os.chdir(beginning.directory)
    drive(
        opened,
        Path(beginning.program),
        list(beginning.arguments),
        beginning.options,
        is_quiet=quiet,
        as_json=as_json,
        resumes=beginning,
        changed_ok=changed_ok,
    )
