"""The locator's answers about users and their keys."""

import hashlib
import secrets
from typing import Any

from continuum.model.errors import ConflictError, InvalidInputError
from continuum.model.objects import Role, User
from continuum.store.locator import messages as m
from continuum.store.locator.families import Family, Handlers, Workings
from continuum.store.locator.index import keys, users
from continuum.store.locator.validating import check_name, check_user_name, parse_role

MIN_DURATION_S = 900
MAX_DURATION_S = 43_200
MAX_POLICY_BYTES = 20 * 1024


class UserKeeper(Family):
    """Answers what people and gateways ask about users and keys."""

    def __init__(self, workings: Workings) -> None:
        super().__init__(workings)
        self._needed: set[str] = set()  # those whom the continuum itself is

    def handlers(self) -> Handlers:
        """Return what answers which request."""
        return {
            m.FindUser: self._find_user,
            m.CreateUser: self._create_user,
            m.ListUsers: self._list_users,
            m.DeleteUser: self._delete_user,
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

    # ---- users ----

    async def ensure_user(self, name: str, role: Role | str = Role.ADMIN) -> User:
        """Return the user of this name, made with fresh keys if there is none; with the secret key."""
        self._needed.add(name)
        present = await self._reader.point(users.find_user_by_name, self._sealer, name)
        if present is not None:
            return present
        try:
            return await self._add_user(name, parse_role(role))
        except ConflictError:  # another hub was faster
            present = await self._reader.point(users.find_user_by_name, self._sealer, name)
            if present is None:
                raise
            return present

    async def find_user(self, access_key: str) -> User | None:
        """Return the user of an access key as of now, with the secret key, for the hub's own door."""
        try:
            user = await self._find_user(m.FindUser(session_id="", access_key=access_key))
        except (m.NoSuchUserError, InvalidInputError):
            return None
        return None if user.is_temporary else user  # whose token and policy only gateways check

    async def _add_user(self, name: str, role: Role) -> User:
        check_user_name(name)
        user = self._make(name, "CTNM", role=role)
        return await self._writer.write(users.create_user, self._sealer, user)

    async def _find_user(self, request: m.FindUser) -> User:
        check_name(request.access_key, "an access key")
        self._hold(request.session_id, ("", request.access_key))
        return await self._reader.point(keys.find_holder, self._sealer, request.access_key)

    async def _create_user(self, request: m.CreateUser) -> User:
        return await self._add_user(request.name, parse_role(request.role))

    async def _list_users(self, request: m.ListUsers) -> m.Users:
        del request
        return await self._reader.scan(users.list_users)

    async def _delete_user(self, request: m.DeleteUser) -> m.Empty:
        if request.name in self._needed:
            raise ConflictError(
                f"the user {request.name!r} belongs to the continuum itself",
                hint="people get users of their own: `continuum user add NAME`",
            )
        access_keys = await self._writer.write(keys.remove_user, request.name)
        await self._invalidator.tell([("", access_key) for access_key in access_keys])
        return m.Empty()

    # ---- further keys ----

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
