"""Sessions, leases and stores."""

import msgspec

from continuum.model.objects import Store


class Empty(msgspec.Struct, frozen=True):
    """Nothing to say."""


class OpenSession(msgspec.Struct, frozen=True, kw_only=True):
    """A gateway process introduces itself and the store of its site."""

    site: str
    gateway: str
    store: Store


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """`session_id` is unguessable and is the prefix of all physical keys that the session writes. `now` is
    the locator's clock.

    `hub` is where requests of this session are to go (see `LocatorClient`); empty: there is one hub.
    `other_hubs` can take the session over when that one does not answer.
    """

    session_id: str
    lease_s: float
    hub_epoch: str
    now: float = 0.0
    hub: str = ""
    other_hubs: tuple[str, ...] = ()


class RenewSession(msgspec.Struct, frozen=True, kw_only=True):
    """Sent every `lease_s / 3`.

    Answer: `Session`; a different `hub_epoch` means: forget everything cached. A hub that does not answer may
    be gone: the same, asked of another, moves the session to that one.
    """

    session_id: str


class CloseSession(msgspec.Struct, frozen=True, kw_only=True):
    """A clean goodbye: nothing of this session is in flight any more."""

    session_id: str


class Invalidate(msgspec.Struct, frozen=True, kw_only=True):
    """Locator to gateway, on `gateway.<session_id>.invalidate`, acknowledged with `Empty`: forget these.

    `keys` are (bucket, key) pairs; a pair with an empty key means the whole bucket and its attributes;
    `users` are access keys.
    """

    keys: tuple[tuple[str, str], ...] = ()
    users: tuple[str, ...] = ()


class ListStores(msgspec.Struct, frozen=True, kw_only=True):
    """Answer: `Stores`."""

    session_id: str


class Stores(msgspec.Struct, frozen=True, kw_only=True):
    """All stores of the continuum, as peers reach them."""

    stores: tuple[Store, ...]
