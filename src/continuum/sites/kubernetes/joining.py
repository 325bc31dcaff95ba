"""A cluster becomes a site, and is brought to another version: what the commands do, in order.

Whoever has the home of the hub needs nothing else: the invitation is made (or made again, which gives the
same) on the way. Elsewhere a file brings it, and the site is there when its pods say so, as nobody there may
ask the registry.
"""

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import msgspec

from continuum.backbone import Backbone
from continuum.model.errors import ContinuumError, InvalidInputError, NotFoundError
from continuum.sites.documents import parse_document
from continuum.sites.homes import Home
from continuum.sites.joining.invitations import Invitation, read_invitation
from continuum.sites.joining.inviting import make_invitation
from continuum.sites.kubernetes.applying import (
    Applied,
    Heard,
    apply_all,
    leave_store_alone,
    roll,
    wait_until_ready,
)
from continuum.sites.kubernetes.checking import find_facts, list_problems
from continuum.sites.kubernetes.clusters import Change, Cluster
from continuum.sites.kubernetes.diagnosing import Diagnosis
from continuum.sites.kubernetes.joined import JoinedCluster, find_cluster, note_cluster
from continuum.sites.kubernetes.manifests import plan_site
from continuum.sites.kubernetes.objects import arrange
from continuum.sites.kubernetes.observing import Observed
from continuum.sites.kubernetes.requesting import (
    JoinRequest,
    hide_secrets,
    list_notes,
    make_secrets,
    make_settings,
    mark_secrets,
)
from continuum.sites.kubernetes.secrets import plan_secrets, redact
from continuum.sites.kubernetes.settings import (
    Manifest,
    SiteSettings,
    certificate_hosts,
)
from continuum.sites.registry import list_sites
from continuum.store import StoreKeys

ADMIN = "admin"
READY_WITHIN_S = 300.0


class Screen(Protocol):
    """Who looks on."""

    def tell(self, text: str) -> None:
        """Hear what happened."""

    def show(self, observed: Observed, reason: Diagnosis | None) -> None:
        """See how the pods are, and what holds them up."""


class Joined(msgspec.Struct, frozen=True, kw_only=True):
    """What joining or upgrading did. `ready_s` is how long the pods and the registry took; `notes` are what
    somebody should know of it."""

    site: str
    context: str
    server_version: str
    namespaces: tuple[str, ...]
    image: str
    created: int
    changed: int
    unchanged: int
    ready_s: float
    notes: tuple[str, ...] = ()


async def join_cluster(
    home: Home,
    request: JoinRequest,
    screen: Screen,
    *,
    invitation_file: Path | None = None,
    within_s: float = READY_WITHIN_S,
) -> Joined:
    """Make a cluster a site of the continuum and return when it takes part. The same again changes nothing.

    Raises `InvalidInputError` with all that is wrong before anything is changed, `SiteNotReadyError` with a
    diagnosis. Broken off, it can be done again, or the site left.
    """
    async with Cluster.open(request.context, request.kubeconfig) as cluster:
        source = _Source(home, invitation_file)
        backbone_url, policy = source.describe()
        facts = await find_facts(cluster)
        earlier = find_cluster(home, request.name)
        settings = make_settings(
            request, facts, backbone_url, policy, earlier.settings if earlier is not None else None
        )
        _raise_all(await list_problems(cluster, settings, facts), cluster)
        invitation = await source.get(settings)
        secrets = make_secrets(settings, invitation, request.store_keys)
        settings = msgspec.structs.replace(settings, identities_mark=mark_secrets(secrets))
        note = JoinedCluster(
            context=cluster.context,
            kubeconfig=request.kubeconfig,
            settings=settings,
            invitation=str(invitation_file or ""),
        )
        note_cluster(home, note)
        manifests = arrange((*plan_site(settings), *plan_secrets(settings, secrets)))
        manifests = await leave_store_alone(cluster, settings, manifests, screen.tell)
        applied = await apply_all(cluster, manifests, screen.tell)
        async with source.listening(settings.name) as is_heard:
            ready_s = await wait_until_ready(
                cluster, settings, within_s=within_s, show=screen.show, is_heard=is_heard
            )
        return _describe(cluster, settings, applied, facts.version, ready_s)


async def plan_joining(
    home: Home, request: JoinRequest, *, invitation_file: Path | None = None, shows_secrets: bool = False
) -> tuple[Manifest, ...]:
    """Return what joining would apply, without its secrets unless they are asked for (which invites the
    site, as the secrets must come from somewhere). Nothing changes in the cluster.
    """
    async with Cluster.open(request.context, request.kubeconfig) as cluster:
        source = _Source(home, invitation_file)
        earlier = find_cluster(home, request.name)
        settings = make_settings(
            request,
            await find_facts(cluster),
            *source.describe(),
            earlier.settings if earlier is not None else None,
        )
        if not shows_secrets:
            plan = (*plan_site(settings), *map(redact, plan_secrets(settings, hide_secrets(settings))))
            return arrange(plan)
        secrets = make_secrets(settings, await source.get(settings), request.store_keys)
        settings = msgspec.structs.replace(settings, identities_mark=mark_secrets(secrets))
        return arrange((*plan_site(settings), *plan_secrets(settings, secrets)))


async def upgrade_cluster(
    home: Home, site: str, screen: Screen, *, image: str = "", within_s: float = READY_WITHIN_S
) -> Joined:
    """Bring a site to another image, or to what this version plans: gateway first, then agent."""
    joined = get_cluster(home, site)
    async with Cluster.open(joined.context, joined.kubeconfig) as cluster:
        facts = await find_facts(cluster)
        source = _Source(home, Path(joined.invitation) if joined.invitation else None)
        settings = msgspec.structs.replace(
            joined.settings,
            image=image or joined.settings.image,
            backbone_url=source.describe()[0],
            disruption_api=facts.disruption_api,
        )
        invitation = await source.get(settings)
        keys = None
        if settings.external_store is not None:
            keys = await _read_store_keys(cluster, settings)
        secrets = make_secrets(settings, invitation, keys)
        settings = msgspec.structs.replace(settings, identities_mark=mark_secrets(secrets))
        note_cluster(home, msgspec.structs.replace(joined, settings=settings))
        manifests = arrange((*plan_site(settings), *plan_secrets(settings, secrets)))
        manifests = await leave_store_alone(cluster, settings, manifests, screen.tell)
        began = time.monotonic()
        async with source.listening(site) as is_heard:
            applied = await roll(
                cluster,
                settings,
                manifests,
                screen.tell,
                within_s=within_s,
                show=screen.show,
                is_heard=is_heard,
            )
        return _describe(cluster, settings, applied, facts.version, time.monotonic() - began)


def get_cluster(home: Home, site: str) -> JoinedCluster:
    """Return how a site was brought into a cluster. Raises `NotFoundError`."""
    joined = find_cluster(home, site)
    if joined is None:
        raise NotFoundError(
            f"no site {site} was joined from {home.path}", hint="`continuum site join --kubernetes`"
        )
    return joined


class _Source:
    """Where the invitation comes from: the home of the hub, or a file."""

    def __init__(self, home: Home, file: Path | None) -> None:
        self._home = home
        self._file = file
        self._read = read_invitation(file) if file is not None else None

    def describe(self) -> tuple[str, str]:
        """Return the backbone's URL and the policy, without inviting anybody."""
        if self._read is not None:
            return self._read.backbone_url, self._read.policy
        continuum = self._home.continuum()
        if not continuum.listen:
            raise InvalidInputError(
                "this continuum listens on loopback only: no pod of a cluster reaches it",
                hint="`continuum down`, then `continuum up --listen ADDRESS` with an address of this machine",
            )
        host = continuum.listen[0]
        host = f"[{host}]" if ":" in host else host
        return f"tls://{host}:{continuum.ports['backbone']}", continuum.policy

    async def get(self, settings: SiteSettings) -> Invitation:
        """Return the invitation; made now if it is not from a file."""
        if self._read is None:
            return await make_invitation(
                self._home,
                settings.name,
                gateway_hosts=certificate_hosts(settings, "gateway"),
                store_hosts=certificate_hosts(settings, "store"),
                has_master_keys=settings.has_master_keys,
            )
        if self._read.site != settings.name:
            raise InvalidInputError(
                f"{self._file} invites {self._read.site}, not {settings.name}",
                hint=f"--name {self._read.site}",
            )
        return self._read

    @asynccontextmanager
    async def listening(self, site: str) -> AsyncIterator[Heard]:
        """Give a way to ask whether the registry has heard of the site; from a file, nobody may ask."""
        if self._read is not None:
            yield _heard_of_pods
            return
        backbone = await Backbone.connect(self._home.backbone_settings(ADMIN))

        async def is_heard() -> bool:
            try:
                known = await list_sites(backbone)
            except ContinuumError:  # the hub is away for a moment: asked again until the time is over
                return False
            return any(each.name == site and each.is_reachable for each in known.sites)

        try:
            yield is_heard
        finally:
            await backbone.close()


async def _heard_of_pods() -> bool:
    """The agent is ready when it reaches the hub: nothing more can be known from here."""
    await asyncio.sleep(0)
    return True


async def _read_store_keys(cluster: Cluster, settings: SiteSettings) -> StoreKeys:
    """Return the keys of an external store from where joining put them: nothing here keeps them."""
    secret = await cluster.get("Secret", "gateway", settings.home)
    return parse_document(base64.b64decode(secret["data"]["store-keys.json"]), StoreKeys)


def _raise_all(problems: Sequence[ContinuumError], cluster: Cluster) -> None:
    if not problems:
        return
    if len(problems) == 1:
        raise problems[0]
    said = "\n".join(f"- {problem}" for problem in problems)
    raise InvalidInputError(
        f"{len(problems)} things stand against a site in {cluster.context}:\n{said}",
        hint="nothing was changed",
    )


def _describe(
    cluster: Cluster, settings: SiteSettings, applied: Sequence[Applied], version: str, ready_s: float
) -> Joined:
    counts = {change: sum(each.change is change for each in applied) for change in Change}
    return Joined(
        site=settings.name,
        context=cluster.context,
        server_version=version,
        namespaces=tuple(dict.fromkeys((settings.home, settings.runs))),
        image=settings.image,
        created=counts[Change.CREATED],
        changed=counts[Change.CHANGED],
        unchanged=counts[Change.UNCHANGED],
        ready_s=round(ready_s, 1),
        notes=list_notes(settings),
    )
