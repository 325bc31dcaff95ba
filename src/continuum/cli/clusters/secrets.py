"""`continuum site secrets`: what a join file holds, as the Secrets of a site that is applied by hand."""

from pathlib import Path
from typing import Annotated

import typer

from continuum import sites


def secrets(
    invitation: Annotated[Path, typer.Argument(help="The join file.")],
    namespace: Annotated[
        str,
        typer.Option(help="Where agent and gateway are. Default: continuum-SITE.", show_default=False),
    ] = "",
) -> None:
    """Print the Secrets of a site whose other objects are applied by hand (deploy/kubernetes).

    What is printed is secret: pipe it.

    Example: `continuum site secrets lab.join | kubectl apply --server-side -f -`
    """
    found = sites.read_invitation(invitation)
    typer.echo(sites.format_manifests(sites.plan_invited_secrets(found, namespace)), nl=False)
