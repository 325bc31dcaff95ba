"""What `continuum run` asks of the workers that a site makes for it: options, and the request they mean."""

from typing import Annotated

import typer

from continuum.model.errors import InvalidInputError
from continuum.model.pools import PoolRequest
from continuum.model.requesting import make_request

WorkerUnits = Annotated[
    int,
    typer.Option(
        "--worker-units", min=0, help="Computing units of each worker pod.", show_default="the profile's"
    ),
]
WorkerMemory = Annotated[
    str,
    typer.Option(
        "--worker-memory",
        metavar="SIZE",
        help="Memory of each worker pod, such as 2G.",
        show_default="the profile's",
    ),
]
Image = Annotated[
    str,
    typer.Option(
        "--image", help="Image of the worker pods, with what tasks import.", show_default="the site's"
    ),
]
Volumes = Annotated[
    list[str] | None,
    typer.Option(
        "--volume",
        metavar="VOLUME",
        help="In worker pods: claim:NAME:/PATH[:ro], config:NAME:/PATH or empty:SIZE:/PATH.",
    ),
]
Profile = Annotated[
    str,
    typer.Option("--profile", help="Which of the site's kinds of worker pods.", show_default="any that fits"),
]
RunId = Annotated[str, typer.Option("--run-id", hidden=True)]


def ask_of_pool(
    *,
    is_local: bool,
    workers: str,
    units: int,
    memory: str,
    image: str,
    volumes: list[str] | None,
    profile: str,
) -> PoolRequest | None:
    """Return what is asked of worker pods; None: nothing. Raises `InvalidInputError`."""
    of_pods = {
        "--worker-units": units,
        "--worker-memory": memory,
        "--image": image,
        "--volume": volumes,
        "--profile": profile,
    }
    given = [name for name, value in of_pods.items() if value]
    if is_local:
        if given:
            raise InvalidInputError(
                f"{given[0]} is for worker pods, and --local makes none",
                hint="name a site in a cluster: --site",
            )
        return None
    if not given and not workers:
        return None
    return make_request(
        workers=workers, units=units, memory=memory, image=image, volumes=volumes or (), profile=profile
    )
