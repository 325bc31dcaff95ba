"""What is asked for when a cluster is to become a site, and the settings that follow. Pure.

What is left open is decided here: by what the cluster is, and by what was asked for the last time where a
change would lose data.
"""

import hashlib

import msgspec

from continuum import __version__
from continuum.model.errors import InvalidInputError
from continuum.model.sites import parse_site_name
from continuum.sites.joining.invitations import IdentityPems, Invitation
from continuum.sites.kubernetes.checking import ClusterFacts, choose_storage
from continuum.sites.kubernetes.secrets import plan_secrets
from continuum.sites.kubernetes.settings import (
    MIB,
    ClaimStorage,
    ExternalStore,
    HostAlias,
    LocalStorage,
    Manifest,
    Outside,
    Overlay,
    PodStorage,
    SiteSecrets,
    SiteSettings,
    Storage,
)
from continuum.store import StoreKeys

DEFAULT_IMAGE = f"localhost/continuum:{__version__}"
UNITS = {Overlay.EDGE: 1, Overlay.CLOUD: 4}
MEMORY_BYTES_PER_UNIT = 512 * MIB
WORKERS = "0-4"
STATE_BYTES = 1024 * MIB
STORE_BYTES = 10 * STATE_BYTES
HIDDEN = "REDACTED"


class JoinRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody asks for. Empty, 0 or None: what is usual. `store_keys` are those of `store`."""

    name: str
    context: str = ""
    kubeconfig: str = ""
    overlay: Overlay = Overlay.EDGE
    namespace: str = ""
    image: str = ""
    pull_policy: str = "IfNotPresent"
    pull_secrets: tuple[str, ...] = ()
    storage: Storage | None = None
    state_bytes: int = 0
    store_bytes: int = 0
    store: ExternalStore | None = None
    store_keys: StoreKeys | None = None
    computing_units: int = 0
    memory_bytes: int = 0
    workers: str = ""
    host_aliases: tuple[HostAlias, ...] = ()
    has_master_keys: bool = True
    outside: Outside | None = None


def parse_storage(text: str, node: str) -> Storage | None:
    """Return where state is to lie (`claim`, `claim:CLASS`, `local:/path`, `pod`); None: as is usual."""
    kind, _, rest = text.partition(":")
    match kind:
        case "" if not text:
            return None
        case "claim":
            return ClaimStorage(storage_class=rest)
        case "local" if rest.startswith("/") and node:
            return LocalStorage(path=rest, node=node)
        case "local":
            raise InvalidInputError(
                "state in a folder needs the folder and its machine", hint="--state local:/path --node NAME"
            )
        case "pod" if not rest:
            return PodStorage()
        case _:
            raise InvalidInputError(
                f"state cannot lie in {text!r}", hint="claim, claim:CLASS, local:/path (with --node) or pod"
            )


def parse_host_alias(text: str) -> HostAlias:
    """Return the names of an address (`ADDRESS=NAME,NAME`)."""
    address, _, names = text.partition("=")
    if not address or not names:
        raise InvalidInputError(f"{text!r} gives no address a name", hint="--host-alias ADDRESS=NAME,NAME")
    return HostAlias(address=address, names=tuple(name.strip() for name in names.split(",")))


def make_settings(
    request: JoinRequest, facts: ClusterFacts, backbone_url: str, policy: str, earlier: SiteSettings | None
) -> SiteSettings:
    """Return the settings of the site. Raises `InvalidInputError`."""
    parse_site_name(request.name)
    _check_unchanged(request, earlier)
    units = request.computing_units or UNITS[request.overlay]
    kept = earlier.storage if earlier is not None else None
    return SiteSettings(
        name=request.name,
        overlay=request.overlay,
        image=request.image or DEFAULT_IMAGE,
        backbone_url=backbone_url,
        computing_units=units,
        memory_bytes=request.memory_bytes or units * MEMORY_BYTES_PER_UNIT,
        namespace=request.namespace,
        makes_namespaces=not request.namespace,
        pull_policy=request.pull_policy,
        pull_secrets=request.pull_secrets,
        host_aliases=request.host_aliases,
        storage=choose_storage(request.storage or kept, facts),
        external_store=request.store,
        has_master_keys=request.has_master_keys,
        outside=request.outside,
        policy=policy,
        workers=(request.workers or WORKERS) if request.overlay is Overlay.CLOUD else "",
        disruption_api=facts.disruption_api,
        state_bytes=request.state_bytes or STATE_BYTES,
        store_bytes=request.store_bytes or STORE_BYTES,
    )


def _check_unchanged(request: JoinRequest, earlier: SiteSettings | None) -> None:
    """Refuse what would leave a site's objects behind somewhere else."""
    if earlier is None:
        return
    for what, before, now in (
        ("namespace", earlier.namespace, request.namespace),
        ("state", earlier.storage, request.storage or earlier.storage),
        ("store", earlier.external_store, request.store),
    ):
        if before != now:
            raise InvalidInputError(
                f"site {request.name} was joined with another {what}: {before or 'none was named'}",
                hint=f"`continuum site leave {request.name}` first, or the same {what}",
            )


def make_secrets(settings: SiteSettings, invitation: Invitation, keys: StoreKeys | None) -> SiteSecrets:
    """Return what goes into the site's Secrets. `keys` are those of an external store."""
    return SiteSecrets(
        ca=invitation.ca,
        agent=invitation.agent,
        gateway=invitation.gateway,
        store=invitation.store if settings.external_store is None else None,
        store_keys=keys or invitation.store_keys,
        access_key=invitation.access_key,
        secret_key=invitation.secret_key,
        master_keys=invitation.master_keys if settings.has_master_keys else "",
    )


def plan_invited_secrets(invitation: Invitation, namespace: str = "") -> tuple[Manifest, ...]:
    """Return the Secrets of a site whose other objects are applied by hand, with a store in the cluster."""
    settings = SiteSettings(
        name=invitation.site,
        overlay=Overlay.EDGE,
        image=DEFAULT_IMAGE,
        backbone_url=invitation.backbone_url,
        computing_units=1,
        memory_bytes=MEMORY_BYTES_PER_UNIT,
        namespace=namespace,
        has_master_keys=bool(invitation.master_keys),
    )
    return plan_secrets(settings, make_secrets(settings, invitation, None))


def hide_secrets(settings: SiteSettings) -> SiteSecrets:
    """Return secrets that are none: for a plan that is only shown."""
    pems = IdentityPems(certificate=HIDDEN, key=HIDDEN, signing_certificate=HIDDEN, signing_key=HIDDEN)
    keys = StoreKeys(
        site_access_key=HIDDEN, site_secret_key=HIDDEN, peer_access_key=HIDDEN, peer_secret_key=HIDDEN
    )
    return SiteSecrets(
        ca=HIDDEN,
        agent=pems,
        gateway=pems,
        store=pems if settings.external_store is None else None,
        store_keys=keys,
        access_key=HIDDEN,
        secret_key=HIDDEN,
        master_keys=HIDDEN if settings.has_master_keys else "",
    )


def mark_secrets(secrets: SiteSecrets) -> str:
    """Return a digest that changes with the secrets: pods that have read other ones are replaced."""
    return hashlib.sha256(msgspec.json.encode(secrets)).hexdigest()[:16]


def list_notes(settings: SiteSettings) -> tuple[str, ...]:
    """Return what somebody should know of a site with these settings."""
    notes = []
    if isinstance(settings.storage, PodStorage):
        lost = "writes that the hub does not know yet"
        if settings.external_store is None:
            lost = "all objects that lie in its store alone"
        notes.append(
            f"its state lies in its pods: a pod that is lost takes with it {lost} (--state says where else)"
        )
    if settings.home == settings.runs and settings.has_pods:
        notes.append("one namespace for all: whoever may make pods in it can read the site's identities")
    return tuple(notes)
