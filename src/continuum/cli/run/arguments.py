"""Arguments that the commands about runs share."""

from typing import Annotated

import typer

from continuum.model.errors import InvalidInputError

RunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="Id of a run, the beginning of it, its name, or `last`.")
]


def parse_task(text: str) -> int:
    """Return the number of a task. Raises `InvalidInputError`."""
    if not text.isdecimal():
        raise InvalidInputError(
            f"{text!r} is no number of a task",
            hint="tasks are numbered from 1, in the order of the calls: continuum run events RUN names them",
        )
    return int(text)


TaskArgument = Annotated[
    int | None, typer.Argument(metavar="[TASK]", help="Number of a task.", parser=parse_task)
]
