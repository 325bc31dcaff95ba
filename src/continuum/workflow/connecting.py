"""What a session asks of the continuum: connections, sites, objects; patiently, as hubs are started again."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from continuum.model.errors import ContinuumError, InvalidInputError, NotFoundError, UnavailableError
from continuum.model.placement import pass_relays
from continuum.model.sites import Link
from continuum.sites import Home, Sites, list_sites
from continuum.store import Locate, LocatorClient, ObjectClient
from continuum.workflow.dispatching import SiteSettings
from continuum.workflow.driving import DriverConnection
from continuum.workflow.keeping import BUCKET
from continuum.workflow.messages import ObjectName
from continuum.workflow.operations import Found

PATIENCE_S = 12.0  # a hub that is started again answers within about two
ASK_AGAIN_S = 0.2
REPORTING_S = 5.0

Answer = TypeVar("Answer")


def connection_of(home: Home, site: str) -> DriverConnection:
    """Return a connection that is not open yet, for drivers of this home."""
    settings = home.backbone_settings(home.driver)
    return DriverConnection(settings, home.identity(home.driver), objects_of(home, site))


def objects_of(home: Home, site: str) -> ObjectClient:
    """Return a client of the gateway of a site; of the first one here, if none is named or that of a site
    elsewhere, whose gateway this machine does not reach. Raises `InvalidInputError`, and `UnavailableError`
    if this machine reaches none.
    """
    sites = home.continuum().sites
    names = home.site_names()
    if site and site not in names:
        raise InvalidInputError(f"there is no site {site!r}", hint=f"the sites are {', '.join(names)}")
    if not sites:
        raise UnavailableError(
            "no gateway of this continuum can be reached from here",
            hint="`continuum site join … --outside ADDRESS` opens that of a site in a cluster",
        )
    address = next((each for each in sites if each.name == site), sites[0])
    access_key, secret_key = home.credentials()
    ca_file = home.ca_file if address.gateway_url.startswith("https:") else None
    return ObjectClient(address.gateway_url, access_key, secret_key, ca_file)


def settings_of(known: Sites | None) -> dict[str, SiteSettings]:
    """Return what placement has to know of sites beyond their executors."""
    return {
        site.name: SiteSettings(
            memory_bytes=site.report.capacity.memory_bytes,
            architecture=site.report.capacity.architecture,
            software=frozenset(site.report.capacity.software),
            costs=site.report.costs,
            gpus=site.report.capacity.gpus,
            storage_bytes=site.report.capacity.storage_bytes,
            largest_units=site.report.capacity.largest_units,
            nodes=max(1, len(site.report.capacity.nodes)),
            labels=site.report.capacity.labels,
        )
        for site in (known.sites if known else ())
    }


def links_of(known: Sites) -> tuple[Link, ...]:
    """Return the links between sites, as bytes can go over them."""
    return pass_relays(known.links, {site.name: site.report.reach for site in known.sites})


async def patiently(ask: Callable[[], Coroutine[Any, Any, Answer]]) -> Answer:
    """Ask the hub; again while it does not answer: it may be being started again."""
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    while True:
        try:
            return await ask()
        except UnavailableError:
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(ASK_AGAIN_S)


async def sites_of(connection: DriverConnection, expected: set[str]) -> Sites:
    """Return the sites; a hub that has just started knows them only after they have reported."""
    deadline = asyncio.get_running_loop().time() + REPORTING_S
    while True:
        known = await patiently(lambda: list_sites(connection.backbone))
        reported = {site.name for site in known.sites}
        if expected <= reported or asyncio.get_running_loop().time() > deadline:
            return known
        await asyncio.sleep(ASK_AGAIN_S)


async def locate_objects(
    locator: LocatorClient, names: Sequence[ObjectName], then: Callable[[Sequence[Found]], None]
) -> None:
    """Ask where objects are, and tell `then`."""
    try:
        objects = tuple((name.bucket, name.key) for name in names)
        located: Any = await patiently(lambda: locator.ask(Locate(objects=objects)))
    except ContinuumError as problem:
        then([Found(problem=f"s3://{name.bucket}/{name.key}: {problem}") for name in names])
        return
    then(
        [
            Found(location.size_bytes, location.sites, etag=location.etag)
            if location.exists
            else Found(problem=f"there is no object s3://{name.bucket}/{name.key}")
            for name, location in zip(names, located.locations, strict=True)
        ]
    )


async def remove_objects(objects: ObjectClient, folder: str) -> None:
    """Remove what runs themselves have put into the store below `folder`; sites have removed theirs."""
    with contextlib.suppress(NotFoundError):
        for info in await objects.list(BUCKET, f"{folder}/"):
            await objects.delete(BUCKET, info.key)
