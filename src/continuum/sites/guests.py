"""Users besides the owner who drive runs: identities of their own, homes of their own.

`invite_user` makes the identity `driver.USER` and the keys of the store's user, has the backbone let it in,
and returns what the user's home is made of. Where and how that home reaches the continuum is as for sites:
the backbone at the first address at which it listens, else on loopback.

Not promised: gateways of a continuum on one machine speak plain HTTP on loopback, so a driver on another
machine has no gateway there that it may use.
"""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec

from continuum.backbone import Backbone
from continuum.model.errors import ConflictError, InvalidInputError, NotFoundError
from continuum.model.objects import Role
from continuum.security import create_identity, identity_files, write_private
from continuum.sites.documents import format_document, read_document
from continuum.sites.embedded.admitting import admit, wait_until
from continuum.sites.embedded.listening import find_peer_host
from continuum.sites.homes import Continuum, Credentials, Home
from continuum.sites.joining.invitations import IdentityPems, read_pems
from continuum.sites.joining.joined import list_joined
from continuum.sites.rights import (
    OWNER,
    identity_of_user,
    parse_user_name,
    read_rights,
    write_rights,
)
from continuum.store import AddKey, CreateUser, ListUsers, LocatorClient

MAX_FILE_BYTES = 1024 * 1024
_ADMIN = "admin"


class Guest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that a user's home is made of. Whoever holds it is that user; nothing secret is in a repr."""

    user: str
    continuum: Continuum
    ca: str
    driver: IdentityPems
    keys: Credentials

    def __repr__(self) -> str:
        return f"Guest(user={self.user!r})"


async def invite_user(home: Home, user: str) -> Guest:
    """Make a user who drives runs; again: the same identity, and a further key to the store.

    Raises `InvalidInputError`, `BackboneUnavailableError`.
    """
    identity = identity_of_user(parse_user_name(user))
    async with _connected(home) as backbone:
        keys = await _make_keys(LocatorClient(backbone), user)
    files = create_identity(home.path, identity, OWNER)
    if admit(home, [each.name for each in list_joined(home)]):
        await wait_until(home, identity, is_admitted=True)
    continuum = home.continuum()
    if continuum.listen:
        host, port = find_peer_host(continuum.listen), continuum.ports["backbone"]
        continuum = msgspec.structs.replace(continuum, backbone_url=f"tls://{host}:{port}")
    return Guest(
        user=user, continuum=continuum, ca=home.ca_file.read_text(), driver=read_pems(files), keys=keys
    )


async def uninvite_user(home: Home, user: str) -> None:
    """Let a user drive no runs any more, now: the backbone ends the connections. The store's user stays."""
    identity = identity_of_user(parse_user_name(user))
    folder = identity_files(home.path, identity).key_file.parent
    if not folder.exists():
        raise NotFoundError(f"no user {user} was invited")
    write_rights(home, read_rights(home).forget(user))
    shutil.rmtree(folder)
    admit(home, [each.name for each in list_joined(home)])


def write_guest(path: Path, guest: Guest) -> None:
    """Write what `read_guest` reads, for nobody else to read."""
    write_private(path, format_document(guest))


def read_guest(path: Path) -> Guest:
    """Read what `write_guest` wrote. Raises `InvalidInputError`."""
    if path.exists() and path.stat().st_size > MAX_FILE_BYTES:
        raise InvalidInputError(f"{path} is larger than {MAX_FILE_BYTES} bytes")
    guest = read_document(path, Guest)
    parse_user_name(guest.user)
    return guest


def make_guest_home(home: Home, guest: Guest) -> None:
    """Make the home from which a user drives runs. Raises `ConflictError` where there is another one."""
    files = home.identity(identity_of_user(guest.user))
    if home.continuum_file.exists() and not files.key_file.exists():
        raise ConflictError(f"{home.path} is the home of something else", hint="--home DIR, a new folder")
    write_private(home.ca_file, guest.ca.encode())
    write_private(files.certificate_file, guest.driver.certificate.encode())
    write_private(files.key_file, guest.driver.key.encode())
    write_private(files.signing_certificate_file, guest.driver.signing_certificate.encode())
    write_private(files.signing_key_file, guest.driver.signing_key.encode())
    write_private(home.credentials_file, format_document(guest.keys))
    write_private(home.continuum_file, format_document(guest.continuum))


@asynccontextmanager
async def _connected(home: Home) -> AsyncIterator[Backbone]:
    backbone = await Backbone.connect(home.backbone_settings(_ADMIN))
    try:
        yield backbone
    finally:
        await backbone.close()


async def _make_keys(locator: LocatorClient, user: str) -> Credentials:
    """Return new keys of the store's user of that name, who is made if there is none."""
    with suppress(ConflictError):
        if user not in {each.name for each in (await locator.ask(ListUsers())).users}:
            made = await locator.ask(CreateUser(name=user, role=Role.MEMBER.value))
            return Credentials(access_key=made.access_key, secret_key=made.secret_key)
    added = await locator.ask(AddKey(name=user))
    return Credentials(access_key=added.access_key, secret_key=added.secret_key)
