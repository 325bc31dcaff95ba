"""What a gateway has to encrypt and decrypt with, shared by all requests."""

from collections.abc import Mapping

import msgspec

from continuum.store.encryption.masterkeys import MasterKeys, open_master_keys
from continuum.store.gateway.leases import Recent
from continuum.store.gateway.settings import GatewaySettings, is_loopback

MAX_HEADERS = 20_000


class Vault(msgspec.Struct, frozen=True, kw_only=True):
    """`allows_customer_keys`: requests come by TLS, or over loopback in the development profile.

    `headers` remembers the headers of streams that were read from stores, by physical key and offset: ranges
    of an object that came in parts need them. They are no secrets.
    """

    master_keys: MasterKeys
    allows_customer_keys: bool
    headers: Recent[tuple[str, int], bytes] = msgspec.field(default_factory=lambda: Recent(MAX_HEADERS))


def open_vault(settings: GatewaySettings, environment: Mapping[str, str]) -> Vault:
    """Return the vault of a gateway. Raises `InvalidInputError` if the master keys cannot be read."""
    is_private = settings.profile == "development" and is_loopback(settings.listen_host)
    return Vault(
        master_keys=open_master_keys(settings.master_keys_file, environment),
        allows_customer_keys=settings.is_tls or is_private,
    )
