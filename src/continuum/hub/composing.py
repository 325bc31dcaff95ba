"""The hub as a whole: its services on one connection to the backbone, and what API and page ask of them."""

import asyncio
import logging
import time

import msgspec

import continuum
from continuum.backbone import Backbone
from continuum.hub.views import (
    BucketView,
    RunView,
    SitesView,
    SiteView,
    StatusView,
    view_bucket,
    view_link,
    view_run,
    view_site,
)
from continuum.model.objects import User
from continuum.security import write_private
from continuum.sites import Credentials, HubSettings, Registry, RightsFile, UserFile, find_database_urls
from continuum.store import (
    ListBuckets,
    Locator,
    LocatorClient,
    LocatorSettings,
)
from continuum.workflow import RunRegistry

log = logging.getLogger(__name__)

BACKBONE_WAIT_S = 20.0
SHOWN_RUNS = 200


class Hub:
    """The central services. `await start()`; `await stop()`."""

    def __init__(self, settings: HubSettings) -> None:
        self._settings = settings
        self._started_at = time.time()
        rights = settings.rights_file
        self._registry = (
            Registry(settings.links, users_of=RightsFile(rights).users_of)
            if rights
            else Registry(settings.links)
        )
        database_url, runs_url = find_database_urls(settings)
        self._locator = Locator(
            LocatorSettings(database_url=database_url, key_file=settings.key_file, grace_s=settings.grace_s)
        )
        self._runs = RunRegistry(runs_url)
        self._backbone: Backbone | None = None

    async def start(self) -> None:
        """Connect, serve, and make sure of the users that the settings name."""
        backbone = await Backbone.connect(self._settings.backbone, wait_s=BACKBONE_WAIT_S)
        self._backbone = backbone
        self._asking = LocatorClient(backbone)
        await self._locator.start(backbone)
        for user in self._settings.users:
            await self._ensure_user(user)
        await self._registry.serve(backbone)
        await self._runs.start(backbone)

    async def stop(self) -> None:
        """Finish what is under way and disconnect."""
        await self._runs.stop()
        await self._locator.stop()
        if self._backbone is not None:
            await self._backbone.close()

    def status(self) -> StatusView:
        """Return the hub in numbers."""
        known = self._registry.sites()
        return StatusView(
            name=self._settings.name,
            version=continuum.__version__,
            started_at=self._started_at,
            is_backbone_connected=self._backbone is not None and self._backbone.is_connected,
            sites=len(known.sites),
            reachable_sites=sum(site.is_reachable for site in known.sites),
            links=tuple(view_link(link) for link in known.links),
        )

    def sites(self) -> SitesView:
        """Return all sites and links."""
        known = self._registry.sites()
        return SitesView(
            sites=tuple(view_site(site) for site in known.sites),
            links=tuple(view_link(link) for link in known.links),
        )

    def get_site(self, name: str) -> SiteView:
        """Return one site. Raises `NotFoundError`."""
        return view_site(self._registry.get_site(name))

    async def buckets(self) -> tuple[BucketView, ...]:
        """Return all buckets."""
        found = await self._asking.ask(ListBuckets())
        return tuple(view_bucket(bucket) for bucket in found.buckets)

    async def runs(self) -> tuple[RunView, ...]:
        """Return the latest runs, newest first."""
        found = await asyncio.to_thread(self._runs.latest, SHOWN_RUNS)
        return tuple(view_run(run) for run in found)

    async def find_user(self, access_key: str) -> User | None:
        """Return the user of an access key, with the secret, as of now."""
        return await self._locator.find_user(access_key)

    async def _ensure_user(self, wanted: UserFile) -> None:
        user = await self._locator.ensure_user(wanted.name, wanted.role)
        keys = Credentials(access_key=user.access_key, secret_key=user.secret_key)
        write_private(wanted.file, msgspec.json.encode(keys))
