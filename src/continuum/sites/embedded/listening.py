"""At which addresses other machines reach an embedded continuum, and where its servers listen for that.

Backbone, hub and stores (gateways too in the release profile) then listen at all addresses of the machine:
clients on it go on over loopback, and most of these servers take one address or all. What is chosen here is
what their certificates hold for and what others are told, so it may as well be a name, or the address of a
router that passes the ports on. All of them speak TLS and ask who comes: the backbone for a certificate of
this continuum, the hub for one or an admin's keys, stores for keys. IPv4 only.
"""

import ipaddress
import re
from collections.abc import Sequence

from continuum.model.errors import InvalidInputError

LOOPBACK, EVERYWHERE = "127.0.0.1", "0.0.0.0"  # noqa: S104 -- asked for with --listen
NOWHERE = "none"
IPV4 = 4
MAX_ADDRESSES = 16
_NAME = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*"
)
_HINT = "an address or a name of this machine, with commas if several; none: loopback only again"


def choose_listen(wanted: Sequence[str], before: Sequence[str]) -> tuple[str, ...]:
    """Return the addresses or names at which others reach this machine, the first for what they are told.

    Nothing wanted: as it was `before`; `none`: nobody does. Raises `InvalidInputError`.
    """
    if not wanted:
        return tuple(before)
    if tuple(wanted) == (NOWHERE,):
        return ()
    if len(wanted) > MAX_ADDRESSES:
        raise InvalidInputError(f"{len(wanted)} addresses are too many", hint=f"at most {MAX_ADDRESSES}")
    return tuple(dict.fromkeys(_parse(word) for word in wanted))


def _parse(word: str) -> str:
    try:
        address = ipaddress.ip_address(word)
    except ValueError:
        name = word.lower()
        if not _NAME.fullmatch(name) or name in {NOWHERE, "localhost"} or name.rpartition(".")[2].isdigit():
            raise InvalidInputError(f"{word!r} is nothing that others reach", hint=_HINT) from None
        return name
    if address.is_unspecified or address.is_loopback or address.is_multicast:
        raise InvalidInputError(f"at {address} no other machine reaches this one", hint=_HINT)
    if address.version != IPV4:
        raise InvalidInputError(f"{address}: servers listen on IPv4 alone", hint=_HINT)
    return str(address)


def find_bind_host(listen: Sequence[str]) -> str:
    """Return the address at which servers listen."""
    return EVERYWHERE if listen else LOOPBACK


def find_peer_host(listen: Sequence[str]) -> str:
    """Return where others find a server, as it stands in a URL."""
    return listen[0] if listen else LOOPBACK
