"""A hub is brought into a cluster and taken out again, and its backbone told whom to let in.

The home on this machine is the hub's: authority, identities and the keys of the person are there, and
`continuum site join` and `invite` work from it as from the home of an embedded hub. In the cluster are only
the identities of hub and backbone. Whoever loses the home loses the authority: keep a copy.
"""

import asyncio
import hashlib
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec

from continuum.backbone import Backbone
from continuum.model.errors import ConflictError, ContinuumError, NotFoundError
from continuum.model.objects import Role
from continuum.security import LOOPBACK_NAMES, create_identity, write_private
from continuum.sites.documents import format_document, read_document
from continuum.sites.homes import Continuum, Credentials, Home
from continuum.sites.hubs import resolve_url
from continuum.sites.joining.invitations import IdentityPems, read_pems
from continuum.sites.kubernetes.applying import (
    Removed,
    apply_all,
    check_namespaces,
    remove_site,
    wait_until_ready,
)
from continuum.sites.kubernetes.checking import choose_storage, find_facts
from continuum.sites.kubernetes.clusters import Cluster
from continuum.sites.kubernetes.diagnosing import Diagnosis
from continuum.sites.kubernetes.hubs import (
    HubPlace,
    HubSecrets,
    check_place,
    hosts_of_hub,
    plan_hub,
    plan_hub_secrets,
)
from continuum.sites.kubernetes.joining import Screen
from continuum.sites.kubernetes.objects import arrange
from continuum.sites.kubernetes.observing import Observed
from continuum.sites.kubernetes.secrets import redact
from continuum.sites.kubernetes.settings import Manifest, Storage
from continuum.store import AddKey, CreateUser, ListUsers, LocatorClient, ensure_master_keys

ADMIN = "admin"
IDENTITIES = ("hub", "backbone", "driver", ADMIN)
SEALING_KEY_BYTES = 32
READY_WITHIN_S = 300.0
CONNECT_S = 20.0


class DeployedHub(msgspec.Struct, frozen=True, kw_only=True):
    """How a hub was brought into a cluster, kept in its home. `database` refers to a URL."""

    context: str
    kubeconfig: str
    place: HubPlace
    database: str = ""


class Deployed(msgspec.Struct, frozen=True, kw_only=True):
    """What deploying did. `ready_s` is how long it took until the hub answered."""

    context: str
    namespace: str
    image: str
    backbone_url: str
    hub_url: str
    changed: int
    ready_s: float


class HubRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for. `storage` None: a claim if the cluster has a default class, else the pod."""

    context: str
    kubeconfig: str
    place: HubPlace
    storage: Storage | None = None
    database: str = ""


async def deploy_hub(
    home: Home, request: HubRequest, screen: Screen, *, within_s: float = READY_WITHIN_S
) -> Deployed:
    """Bring a hub into a cluster and return when it answers from here. The same again changes nothing.

    Raises `InvalidInputError`, `ConflictError` before anything is changed, `SiteNotReadyError`.
    """
    check_place(request.place)
    earlier = _check_home(home)
    async with Cluster.open(request.context, request.kubeconfig) as cluster:
        place = await _complete(cluster, request, earlier)
        await check_namespaces(cluster, place.common)
        make_home(home, place)
        found = read_secrets(home, place, request.database)
        place = msgspec.structs.replace(place, identities_mark=_mark(found))
        note = DeployedHub(
            context=cluster.context, kubeconfig=request.kubeconfig, place=place, database=request.database
        )
        _note(home, note)
        manifests = arrange((*plan_hub(place), *plan_hub_secrets(place, found)))
        applied = await apply_all(cluster, manifests, screen.tell)
        ready_s = await _wait(home, cluster, place, screen, within_s)
        await _ensure_admin(home)
        return Deployed(
            context=cluster.context,
            namespace=place.namespace,
            image=place.image,
            backbone_url=place.backbone_url,
            hub_url=place.hub_url,
            changed=sum(each.change != "unchanged" for each in applied),
            ready_s=round(ready_s, 1),
        )


async def plan_deploying(request: HubRequest) -> tuple[Manifest, ...]:
    """Return what would be applied, without what is secret. Nothing changes."""
    async with Cluster.open(request.context, request.kubeconfig) as cluster:
        place = await _complete(cluster, request, None)
    hidden = IdentityPems(certificate="", key="", signing_certificate="", signing_key="")
    empty = HubSecrets(ca="", hub=hidden, backbone=hidden, sealing_key=b"")
    return arrange((*plan_hub(place), *map(redact, plan_hub_secrets(place, empty))))


async def undeploy_hub(home: Home, screen: Screen, *, keeps_data: bool = False) -> Removed:
    """Take the hub out of its cluster; the home stays, and with it the authority. May be repeated."""
    deployed = find_hub(home)
    if deployed is None:
        raise NotFoundError(f"no hub was deployed from {home.path}", hint="`continuum hub deploy`")
    async with Cluster.open(deployed.context, deployed.kubeconfig) as cluster:
        removed = await remove_site(cluster, deployed.place.common, screen.tell, keeps_data=keeps_data)
    if not keeps_data:
        home.deployed_hub_file.unlink(missing_ok=True)
        shutil.rmtree(home.path / "joined", ignore_errors=True)
        home.credentials_file.unlink(missing_ok=True)
        home.continuum_file.unlink(missing_ok=True)
    return removed


def find_hub(home: Home) -> DeployedHub | None:
    """Return how the hub of a home was brought into a cluster; None if it was not."""
    try:
        return read_document(home.deployed_hub_file, DeployedHub)
    except NotFoundError:
        return None


async def admit_in_cluster(home: Home, joined: Sequence[str]) -> bool:
    """Have the backbone let in sites that joined, and nobody else, if it does not; return whether it was
    told."""
    deployed = find_hub(home)
    if deployed is None:
        raise NotFoundError(f"no hub was deployed from {home.path}", hint="`continuum hub deploy`")
    place = msgspec.structs.replace(deployed.place, joined=tuple(joined))
    if place == deployed.place:
        return False
    async with Cluster.open(deployed.context, deployed.kubeconfig) as cluster:
        wanted = [m for m in plan_hub(place) if m["metadata"]["name"] in {"settings", "backbone"}]
        await apply_all(cluster, wanted, lambda _: None)
        _note(home, msgspec.structs.replace(deployed, place=place))
        await _wait(home, cluster, place, _Silent(), READY_WITHIN_S)
    return True


class _Silent:
    """A screen for what is done on the way."""

    def tell(self, text: str) -> None:
        """Say nothing."""

    def show(self, observed: Observed, reason: Diagnosis | None) -> None:
        """Show nothing."""


def make_home(home: Home, place: HubPlace) -> None:
    """Make authority, identities and keys, as far as they are missing, and describe the continuum."""
    for name in IDENTITIES:
        hosts = (
            (*LOOPBACK_NAMES, *hosts_of_hub(place, name)) if name in {"hub", "backbone"} else LOOPBACK_NAMES
        )
        create_identity(home.path, name, name, hosts=hosts)
    if not _sealing_key(home).exists():
        write_private(_sealing_key(home), secrets.token_bytes(SEALING_KEY_BYTES))
    ensure_master_keys(home.master_keys_file)
    known = home.continuum().sites if home.continuum_file.exists() else ()
    described = Continuum(
        name=place.continuum,
        hub_url=place.hub_url,
        backbone_url=place.backbone_url,
        sites=known,
        profile="release",
        ports={"backbone": place.backbone_port, "hub": place.hub_port},
        listen=(place.address,),
    )
    write_private(home.continuum_file, format_document(described))


def read_secrets(home: Home, place: HubPlace, database: str) -> HubSecrets:
    """Return what the hub is trusted with. Raises `InvalidInputError` if the database has no URL."""
    return HubSecrets(
        ca=home.ca_file.read_text(),
        hub=read_pems(home.identity("hub")),
        backbone=read_pems(home.identity("backbone")),
        sealing_key=_sealing_key(home).read_bytes(),
        database_url=resolve_url(database) if place.has_database else "",
    )


def _check_home(home: Home) -> DeployedHub | None:
    """A home is that of one hub: refuse that of an embedded one."""
    deployed = find_hub(home)
    if deployed is None and home.continuum_file.exists():
        raise ConflictError(
            f"{home.path} is the home of a hub on this machine", hint="another home for this one: --home DIR"
        )
    return deployed


async def _complete(cluster: Cluster, request: HubRequest, earlier: DeployedHub | None) -> HubPlace:
    """Return the place with what only the cluster and the deployment before know."""
    kept = earlier.place.storage if earlier is not None else None
    facts = await find_facts(cluster)
    return msgspec.structs.replace(
        request.place,
        storage=choose_storage(request.storage or kept, facts),
        has_database=bool(request.database),
        joined=earlier.place.joined if earlier is not None else (),
    )


async def _wait(home: Home, cluster: Cluster, place: HubPlace, screen: Screen, within_s: float) -> float:
    async def is_heard() -> bool:
        try:
            await _list_users(home)
        except (ContinuumError, OSError):  # not yet: asked again until the time is over
            return False
        return True

    return await wait_until_ready(
        cluster, place.common, within_s=within_s, show=screen.show, is_heard=is_heard
    )


async def _list_users(home: Home) -> set[str]:
    backbone = await Backbone.connect(home.backbone_settings(ADMIN))
    try:
        return {user.name for user in (await LocatorClient(backbone).ask(ListUsers())).users}
    finally:
        await backbone.close()


async def _ensure_admin(home: Home) -> None:
    """Have keys of the store for the person of this home."""
    users = await _list_users(home)
    if ADMIN in users and home.credentials_file.exists():
        return
    backbone = await Backbone.connect(home.backbone_settings(ADMIN))
    try:
        wanted = AddKey(name=ADMIN) if ADMIN in users else CreateUser(name=ADMIN, role=Role.ADMIN.value)
        made = await asyncio.wait_for(LocatorClient(backbone).ask(wanted), CONNECT_S)
    finally:
        await backbone.close()
    keys = Credentials(access_key=made.access_key, secret_key=made.secret_key)
    write_private(home.credentials_file, format_document(keys))


def _note(home: Home, deployed: DeployedHub) -> None:
    write_private(home.deployed_hub_file, format_document(deployed))


def _mark(found: HubSecrets) -> str:
    text = "".join((found.ca, found.hub.certificate, found.backbone.certificate, found.database_url))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _sealing_key(home: Home) -> Path:
    return home.path / "hub" / "sealing.key"
