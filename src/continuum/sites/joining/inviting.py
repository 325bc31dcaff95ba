"""Inviting a site elsewhere, and taking an invitation back.

An invitation makes the site's identities and its user of the store, and has the backbone let them in. Invited
again, a site gets the same identities as long as they hold 30 days more (else new ones), and the same keys.
Taken back, an invitation is worth nothing at once: the backbone ends the site's connections, gateways accept
the keys of its user no more. Certificates are not revoked: who holds one is let in nowhere, but other servers
of the continuum (stores over TLS) still see a certificate of its authority; they ask for keys besides.
"""

import datetime as dt
import secrets
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from continuum.backbone import Backbone
from continuum.model.errors import ConflictError, InvalidInputError, NotFoundError
from continuum.model.objects import Role
from continuum.model.sites import SiteKind, parse_site_name
from continuum.security import (
    LEAF_LIFETIME,
    LOOPBACK_NAMES,
    create_identity,
    identity_files,
    write_private,
)
from continuum.sites.documents import format_document, read_document
from continuum.sites.embedded.admitting import admit, wait_until
from continuum.sites.embedded.listening import find_peer_host
from continuum.sites.homes import Continuum, Credentials, Home
from continuum.sites.joining.invitations import Invitation, find_end, read_pems
from continuum.sites.joining.joined import (
    CREDENTIALS,
    STORE_KEYS,
    JoinedSite,
    forget_joined,
    joined_folder,
    list_joined,
    note_joined,
)
from continuum.sites.registry import forget_site
from continuum.store import AddKey, CreateUser, DeleteUser, ListUsers, LocatorClient, StoreKeys

ROLES = ("agent", "gateway", "store")
KINDS = (SiteKind.KUBERNETES, SiteKind.SLURM, SiteKind.EDGE)
MAX_LIFETIME = dt.timedelta(days=365)
MIN_LIFETIME = dt.timedelta(hours=1)
_ADMIN = "admin"


async def make_invitation(
    home: Home,
    site: str,
    *,
    kind: SiteKind = SiteKind.KUBERNETES,
    gateway_hosts: tuple[str, ...] = (),
    store_hosts: tuple[str, ...] = (),
    has_master_keys: bool = True,
    lifetime: dt.timedelta = LEAF_LIFETIME,
) -> Invitation:
    """Invite a site to the continuum of `home`, which is up and listens for other machines.

    The certificates of its gateway and store hold for loopback and for the hosts that are given. Raises
    `InvalidInputError`, `ConflictError`, `BackboneUnavailableError`; then it may have to be taken back.
    """
    continuum = home.continuum()
    _check(continuum, site, kind, lifetime)
    async with _connected(home) as backbone:
        keys = await _ensure_user(LocatorClient(backbone), home, site)
    hosts = {"gateway": gateway_hosts, "store": store_hosts}
    pems = {}
    for role in ROLES:
        names = (*LOOPBACK_NAMES, *hosts.get(role, ()))
        files = create_identity(home.path, f"{role}.{site}", role, hosts=names, lifetime=lifetime)
        pems[role] = read_pems(files)
    invitation = Invitation(
        continuum=continuum.name,
        site=site,
        kind=kind,
        ca=home.ca_file.read_text(),
        backbone_url=f"tls://{find_peer_host(continuum.listen)}:{continuum.ports['backbone']}",
        hub_url=f"https://{find_peer_host(continuum.listen)}:{continuum.ports['hub']}",
        agent=pems["agent"],
        gateway=pems["gateway"],
        store=pems["store"],
        store_keys=_ensure_store_keys(joined_folder(home, site) / STORE_KEYS),
        access_key=keys.access_key,
        secret_key=keys.secret_key,
        policy=continuum.policy,
        ends_at=find_end(*pems.values()),
        master_keys=home.master_keys_file.read_text() if has_master_keys else "",
    )
    before = next((each for each in list_joined(home) if each.name == site), None)
    note_joined(home, _describe(invitation, before))
    if await _admit(home, [each.name for each in list_joined(home)]):
        await wait_until(home, _agent(site), is_admitted=True)
    return invitation


async def revoke(home: Home, site: str) -> None:
    """Take back what `make_invitation` gave: when this returns, the site is let in nowhere.

    May be repeated. Raises `NotFoundError` if it was not invited, `BackboneUnavailableError`.
    """
    joined = [each.name for each in list_joined(home)]
    if site not in joined:
        raise NotFoundError(f"no site {site} was invited", hint=f"invited: {', '.join(joined) or 'none'}")
    if await _admit(home, [name for name in joined if name != site]) and _has_identity(home, site):
        await wait_until(home, _agent(site), is_admitted=False)
    async with _connected(home) as backbone:
        with suppress(NotFoundError):  # it was taken back before, half
            await LocatorClient(backbone).ask(DeleteUser(name=_agent(site)))
        await forget_site(backbone, site)
    for role in ROLES:
        shutil.rmtree(identity_files(home.path, f"{role}.{site}").key_file.parent, ignore_errors=True)
    forget_joined(home, site)


def _check(continuum: Continuum, site: str, kind: SiteKind, lifetime: dt.timedelta) -> None:
    parse_site_name(site)
    if site in {each.name for each in continuum.sites if each.kind == SiteKind.EMBEDDED}:
        raise ConflictError(f"{site} is a site of this machine", hint="choose another name")
    if kind not in KINDS:
        raise InvalidInputError(
            f"{kind.value} is no kind of site to invite", hint=f"one of {', '.join(KINDS)}"
        )
    if not MIN_LIFETIME <= lifetime <= MAX_LIFETIME:
        raise InvalidInputError("certificates live for an hour at least and 365 days at most")
    if not continuum.listen:
        raise InvalidInputError(
            "this continuum listens on loopback only: no other machine reaches it",
            hint="`continuum down`, then `continuum up --listen ADDRESS` with an address of this machine",
        )


async def _admit(home: Home, joined: list[str]) -> bool:
    """Have the backbone let in who joined, be it on this machine or in a cluster; whether it was told."""
    if not home.deployed_hub_file.exists():
        return admit(home, joined)
    from continuum.sites.kubernetes.deploying import admit_in_cluster  # noqa: PLC0415 - for those alone

    return await admit_in_cluster(home, joined)


@asynccontextmanager
async def _connected(home: Home) -> AsyncIterator[Backbone]:
    backbone = await Backbone.connect(home.backbone_settings(_ADMIN))
    try:
        yield backbone
    finally:
        await backbone.close()


async def _ensure_user(locator: LocatorClient, home: Home, site: str) -> Credentials:
    """Return the keys of the store's user of a site's agent, made if there are none."""
    file = joined_folder(home, site) / CREDENTIALS
    users = {user.name for user in (await locator.ask(ListUsers())).users}
    if _agent(site) in users and file.exists():
        return read_document(file, Credentials)
    if _agent(site) in users:
        made = await locator.ask(AddKey(name=_agent(site)))
    else:
        made = await locator.ask(CreateUser(name=_agent(site), role=Role.ADMIN.value))
    keys = Credentials(access_key=made.access_key, secret_key=made.secret_key)
    write_private(file, format_document(keys))
    return keys


def _ensure_store_keys(path: Path) -> StoreKeys:
    if path.exists():
        return read_document(path, StoreKeys)
    made = StoreKeys(
        site_access_key=secrets.token_hex(10).upper(),
        site_secret_key=secrets.token_urlsafe(30),
        peer_access_key=secrets.token_hex(10).upper(),
        peer_secret_key=secrets.token_urlsafe(30),
    )
    write_private(path, format_document(made))
    return made


def _describe(invitation: Invitation, before: JoinedSite | None) -> JoinedSite:
    return JoinedSite(
        name=invitation.site,
        kind=invitation.kind,
        invited_at=before.invited_at if before and before.ends_at == invitation.ends_at else time.time(),
        ends_at=invitation.ends_at,
        has_master_keys=bool(invitation.master_keys),
    )


def _has_identity(home: Home, site: str) -> bool:
    return identity_files(home.path, _agent(site)).key_file.exists()


def _agent(site: str) -> str:
    """Return the identity of a site's agent; the store's user for it has the same name."""
    return f"agent.{site}"
