"""The locator's answers about further keys of users; a family of handlers of its own."""

import hashlib
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from continuum.model.errors import InvalidInputError
from continuum.model.objects import User
from continuum.store.locator import messages as m
from continuum.store.locator.index import keys
from continuum.store.locator.invalidating import Invalidator
from continuum.store.locator.reading import Reader
from continuum.store.locator.sealing import Sealer
from continuum.store.locator.validating import check_name
from continuum.store.locator.writing import Writer

MIN_DURATION_S = 900
MAX_DURATION_S = 43_200
MAX_POLICY_BYTES = 20 * 1024


class KeyKeeper:
    """Answers what people and gateways ask about keys."""

    def __init__(
        self,
        reader: Reader,
        writer: Writer,
        sealer: Sealer,
        invalidator: Invalidator,
        clock: Callable[[], float],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._sealer = sealer
        self._invalidator = invalidator
        self._clock = clock

    def handlers(self) -> dict[type, Callable[[Any], Awaitable[Any]]]:
        """Return what answers which request."""
        return {
            m.AddKey: self._add_key,
            m.ListKeys: self._list_keys,
            m.RemoveKey: self._remove_key,
            m.IssueKey: self._issue_key,
        }

    def _make(self, name: str, prefix: str, **further: Any) -> User:
        return User(
            name=name,
            access_key=prefix + secrets.token_hex(8).upper(),
            secret_key=secrets.token_urlsafe(30),
            created_at=self._clock(),
            **further,
        )

    async def _add_key(self, request: m.AddKey) -> User:
        check_name(request.name, "a user's name")
        return await self._writer.write(keys.add_key, self._sealer, self._make(request.name, "CTNM"))

    async def _list_keys(self, request: m.ListKeys) -> m.Keys:
        return await self._reader.scan(keys.list_keys, request.name)

    async def _remove_key(self, request: m.RemoveKey) -> m.Empty:
        await self._writer.write(keys.remove_key, request.name, request.access_key)
        await self._invalidator.tell([("", request.access_key)])
        return m.Empty()

    async def _issue_key(self, request: m.IssueKey) -> m.IssuedKey:
        check_name(request.access_key, "an access key")
        if not MIN_DURATION_S <= request.duration_s <= MAX_DURATION_S:
            raise InvalidInputError(f"temporary keys last {MIN_DURATION_S} to {MAX_DURATION_S} s")
        if len(request.policy) > MAX_POLICY_BYTES:
            raise InvalidInputError(f"a session's policy has at most {MAX_POLICY_BYTES} bytes")
        holder = await self._reader.point(keys.find_holder, self._sealer, request.access_key)
        if holder.is_temporary:
            raise InvalidInputError("a temporary key cannot make further ones")
        token = secrets.token_urlsafe(48)
        now = self._clock()
        key = self._make(
            holder.name,
            "CTNT",
            expires_at=now + request.duration_s,
            token_sha256=hashlib.sha256(token.encode()).hexdigest(),
            session_policy=request.policy,
        )
        await self._writer.write(keys.issue_key, self._sealer, key, now=now)
        return m.IssuedKey(
            access_key=key.access_key,
            secret_key=key.secret_key,
            session_token=token,
            expires_at=key.expires_at,
        )
