"""The registry: which sites there are and how they are, as their agents say.

An agent announces its site every two seconds; a site that has been silent for six is shown as unreachable,
and is kept, because its data may still be wanted. The registry lives in memory only: after a restart of the
hub it is complete again within one announcement.
"""

import time
from collections.abc import Callable

import msgspec

from continuum.backbone import Backbone
from continuum.model.errors import NotFoundError
from continuum.model.sites import Link, SiteReport

ANNOUNCE_EVERY_S = 2.0
SILENT_AFTER_S = 6.0
ANNOUNCE = "registry.announce"
LIST = "registry.list"
FORGET = "registry.forget"
MAX_SITES = 10_000


class Noted(msgspec.Struct, frozen=True):
    """An announcement was noted."""


class Heard(msgspec.Struct, frozen=True):
    """An announcement was noted. `users` may use the site besides the owner of the continuum."""

    users: tuple[str, ...] = ()


class ForgetSite(msgspec.Struct, frozen=True):
    """A site takes part no more. Answer: `Noted`."""

    name: str


class ListSites(msgspec.Struct, frozen=True):
    """Ask for all sites. Answer: `Sites`."""


class KnownSite(msgspec.Struct, frozen=True, kw_only=True):
    """A site as it last reported, and whether it can be reached; `silent_s` since its last word."""

    report: SiteReport
    is_reachable: bool
    silent_s: float

    @property
    def name(self) -> str:
        """The site's name."""
        return self.report.name


class Sites(msgspec.Struct, frozen=True, kw_only=True):
    """All sites in the order of their names, and the links between them."""

    sites: tuple[KnownSite, ...]
    links: tuple[Link, ...] = ()


class Registry:
    """The registry's memory. Instants come from `clock` (seconds, monotonic), users from `users_of`."""

    def __init__(
        self,
        links: tuple[Link, ...] = (),
        *,
        clock: Callable[[], float] = time.monotonic,
        users_of: Callable[[str], tuple[str, ...]] = lambda _: (),
    ) -> None:
        self._links = links
        self._users_of = users_of
        self._clock = clock
        self._heard: dict[str, tuple[SiteReport, float]] = {}

    def note(self, report: SiteReport) -> None:
        """Remember what a site reports."""
        if report.name not in self._heard and len(self._heard) >= MAX_SITES:
            self._forget_the_most_silent()
        self._heard[report.name] = (report, self._clock())

    def forget(self, name: str) -> None:
        """Know a site no more, until it is announced again."""
        self._heard.pop(name, None)

    def sites(self) -> Sites:
        """Return all sites and links."""
        now = self._clock()
        return Sites(
            sites=tuple(_known(*self._heard[name], now) for name in sorted(self._heard)),
            links=self._links,
        )

    def get_site(self, name: str) -> KnownSite:
        """Return one site. Raises `NotFoundError`."""
        heard = self._heard.get(name)
        if heard is None:
            known = ", ".join(sorted(self._heard)) or "none"
            raise NotFoundError(f"there is no site {name}", hint=f"sites that have reported: {known}")
        return _known(*heard, self._clock())

    async def serve(self, backbone: Backbone) -> None:
        """Answer agents and those who ask, on the backbone."""

        async def announce(report: SiteReport) -> Heard:
            self.note(report)
            return Heard(users=self._users_of(report.name))

        async def forget(request: ForgetSite) -> Noted:
            self.forget(request.name)
            return Noted()

        async def list_sites(_: ListSites) -> Sites:
            return self.sites()

        await backbone.serve(ANNOUNCE, SiteReport, announce)
        await backbone.serve(FORGET, ForgetSite, forget)
        await backbone.serve(LIST, ListSites, list_sites, queue="hub")

    def _forget_the_most_silent(self) -> None:
        del self._heard[min(self._heard, key=lambda name: self._heard[name][1])]


async def list_sites(backbone: Backbone, *, timeout_s: float | None = None) -> Sites:
    """Return all sites that the registry knows. Raises `BackboneUnavailableError`."""
    return await backbone.request(LIST, ListSites(), Sites, timeout_s=timeout_s)


async def forget_site(backbone: Backbone, name: str) -> None:
    """Have the registry know a site no more. Raises `BackboneUnavailableError`."""
    await backbone.request(FORGET, ForgetSite(name), Noted)


def _known(report: SiteReport, heard_at: float, now: float) -> KnownSite:
    silent_s = now - heard_at
    return KnownSite(report=report, is_reachable=silent_s < SILENT_AFTER_S, silent_s=silent_s)
