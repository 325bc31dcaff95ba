"""`continuum run crate`: a run as an RO-Crate, for archives, colleagues and other platforms."""

from pathlib import Path
from typing import Annotated

import typer

from continuum.cli.options import HomeOption, JsonOption, open_home, print_json
from continuum.cli.run.arguments import RunArgument
from continuum.model.errors import UnavailableError
from continuum.workflow import find_folder


def crate(  # noqa: PLR0917 - typer passes what the command line says
    run: RunArgument,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="PLACE", help="Where to write it.", show_default="in the run's folder"
        ),
    ] = None,
    is_zipped: Annotated[bool, typer.Option("--zip", help="One zip file instead of a folder.")] = False,
    data: Annotated[
        bool, typer.Option("--data", help="Let files that the run read and wrote go along (not objects).")
    ] = False,
    author: Annotated[
        str, typer.Option("--author", metavar="NAME", help="Who made the run.", show_default="you")
    ] = "",
    orcid: Annotated[str, typer.Option("--orcid", help="The author's ORCID.")] = "",
    license_: Annotated[
        str, typer.Option("--license", metavar="URL", help="How the crate may be used.", show_default="none")
    ] = "",
    description: Annotated[
        str, typer.Option("--description", metavar="TEXT", help="What the run was for.")
    ] = "",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a run as an RO-Crate (Provenance Run Crate 0.5): code, inputs, outputs, what ran where."""
    from continuum.workflow import CrateOptions, write_crate  # noqa: PLC0415 - only here

    folder = find_folder(open_home(home).runs(), run)
    options = CrateOptions(
        author=author, orcid=orcid, license=license_, description=description, includes_data=data
    )
    target = output or folder / (f"{folder.name}.crate.zip" if is_zipped else "crate")
    try:
        made = write_crate(folder, target, options, is_zipped=is_zipped)
    except OSError as problem:
        raise UnavailableError(
            f"the crate cannot be written to {target}: {problem.strerror}", hint="name another place with -o"
        ) from problem
    if as_json:
        print_json({"crate": str(made)})
    else:
        typer.echo(made)
