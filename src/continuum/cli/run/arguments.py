"""Arguments that the commands about runs share."""

from typing import Annotated

import typer

RunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="Id of a run, the beginning of it, its name, or `last`.")
]
