"""Who may use the hub's API: an admin, driver or hub with its certificate, or whoever has an admin's keys.

The certificate has been verified by TLS before a request is read; uvicorn does not pass it on, so the
protocol below puts the identity's name into the request's scope. Keys come as HTTP Basic over TLS and are
compared in constant time.
"""

import base64
import binascii
import hmac
from collections.abc import Awaitable, Callable
from typing import Any

from litestar.connection import ASGIConnection
from litestar.exceptions import NotAuthorizedException
from litestar.handlers import BaseRouteHandler
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from continuum.model.objects import Role, User

EXTENSION = "continuum.identity"
# Sites need no API, and may be shut out before their certificates end.
ROLES = frozenset({"admin", "driver", "hub"})
_CHALLENGE = {"WWW-Authenticate": 'Basic realm="continuum", charset="UTF-8"'}


class IdentifyingProtocol(HttpToolsProtocol):
    """uvicorn's protocol that also says in the scope which identity's certificate the client showed."""

    def on_message_begin(self) -> None:
        """Begin a request: note who is at the other end of the connection."""
        super().on_message_begin()
        name = _common_name(self.transport.get_extra_info("peercert"))
        if name:
            self.scope.setdefault("extensions", {})[EXTENSION] = {"name": name}


class Authenticator:
    """A litestar guard that lets in who shows a certificate or an admin's keys.

    `find_user` returns the user of an access key as of now, or None: who was removed is out at once.
    """

    def __init__(self, find_user: Callable[[str], Awaitable[User | None]]) -> None:
        self._find_user = find_user

    async def __call__(
        self, connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
    ) -> None:
        """Raise `NotAuthorizedException` (401) unless the client has proved who it is."""
        if handler.opt.get("is_public"):
            return
        identity = (connection.scope.get("extensions") or {}).get(EXTENSION) or {}
        if str(identity.get("name", "")).partition(".")[0] in ROLES:
            return
        keys = parse_basic(connection.headers.get("authorization", ""))
        if keys is None or not await self._is_admin(*keys):
            raise NotAuthorizedException(
                "come with a certificate of this continuum or with an admin's keys", headers=_CHALLENGE
            )

    async def _is_admin(self, access_key: str, secret_key: str) -> bool:
        user = await self._find_user(access_key)
        expected = user.secret_key if user is not None else ""
        is_same = hmac.compare_digest(expected.encode(), secret_key.encode())
        return user is not None and bool(expected) and is_same and user.role is Role.ADMIN


def parse_basic(header: str) -> tuple[str, str] | None:
    """Return user and password of an `Authorization: Basic` header; None if it is not one (RFC 7617)."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (user, password) if colon else None


def _common_name(certificate: dict[str, Any] | None) -> str:
    for part in (certificate or {}).get("subject", ()):
        for key, value in part:
            if key == "commonName":
                return str(value)
    return ""
