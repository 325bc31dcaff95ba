"""The locator's counterpart as small as can be: a session with its lease, and a memory that keeps the rules.

The rules are those of `continuum.store.locator.messages`; the product's own gateway keeps them its own way.
"""

import asyncio
import contextlib
import itertools
import secrets
import time
from typing import Any

from continuum.backbone import Backbone
from continuum.model.errors import ContinuumError, UnavailableError
from continuum.model.objects import Replica, Store, Version
from continuum.store.locator.client import LocatorClient
from continuum.store.locator.messages import (
    Commit,
    Empty,
    Invalidate,
    LookUp,
    NoSuchKeyError,
    OpenSession,
    RenewSession,
    Session,
)

BUCKET = "bucket"
LIMIT_S = 0.3


class SmallGateway:
    """`open` it, `write` and `read` keys of one bucket, `close` it. A value is a version's etag."""

    def __init__(self, backbone: Backbone, site: str = "edge") -> None:
        self.locator = LocatorClient(backbone)
        self.backbone = backbone
        self.site = site
        self.hears = asyncio.Event()
        self.hears.set()
        self.served_from_memory = 0
        self.forgotten_users: list[str] = []
        self.session: Session
        self._memory: dict[str, str] = {}
        self._changes: dict[str, int] = {}
        self._lease_until = 0.0
        self._numbers = itertools.count(1)
        self._renewing: asyncio.Task[None] | None = None

    async def open(self, *, renews: bool = True) -> None:
        sent_at = time.monotonic()
        self.session = await self.locator.ask(
            OpenSession(site=self.site, gateway=f"{self.site}-1", store=make_store(self.site)), hub=""
        )
        self.locator.hub = self.session.hub
        self._lease_until = sent_at + self.session.lease_s
        self._memory.clear()
        await self.backbone.serve(self.subject, Invalidate, self._invalidate)
        if renews:
            self._renewing = asyncio.ensure_future(self._renew())

    @property
    def subject(self) -> str:
        return f"gateway.{self.session.session_id}.invalidate"

    async def _invalidate(self, message: Invalidate) -> Empty:
        await self.hears.wait()
        for _, key in message.keys:
            self._forget(key)
        self.forgotten_users.extend(message.users)
        return Empty()

    def _forget(self, key: str) -> None:
        self._memory.pop(key, None)
        self._changes[key] = self._changes.get(key, 0) + 1

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self.session.lease_s / 3)
            sent_at = time.monotonic()
            request = RenewSession(session_id=self.session.session_id)
            with contextlib.suppress(ContinuumError):
                try:
                    renewed = await self.locator.ask(request, timeout_s=LIMIT_S)
                except UnavailableError:
                    if not self.locator.hub:
                        raise
                    sent_at = time.monotonic()
                    others = (*self.session.other_hubs, "")
                    renewed = await self.locator.ask(request, timeout_s=LIMIT_S, hub=others[0])
                if renewed.hub_epoch != self.session.hub_epoch:
                    for key in [*self._memory, *self._changes]:
                        self._forget(key)
                self.session, self.locator.hub = renewed, renewed.hub
                self._lease_until = sent_at + renewed.lease_s

    async def read(self, key: str) -> str:
        """The value of a key; empty if there is none."""
        if time.monotonic() < self._lease_until and key in self._memory:
            self.served_from_memory += 1
            return self._memory[key]
        changes = self._changes.get(key, 0)
        try:
            version = await self.locator.ask(
                LookUp(session_id=self.session.session_id, bucket=BUCKET, key=key)
            )
            value = version.etag
        except NoSuchKeyError:
            value = ""
        if self._changes.get(key, 0) == changes:
            self._memory[key] = value
        return value

    async def write(self, key: str, value: str, **conditions: Any) -> Version:
        request = self.make_commit(key, value, **conditions)
        self._forget(key)
        try:
            return await self.locator.ask(request)
        finally:
            self._forget(key)

    def make_commit(self, key: str, value: str, **conditions: Any) -> Commit:
        physical_key = f"{self.session.session_id}/{next(self._numbers)}"
        replica = Replica(store=self.site, bucket="physical", key=physical_key, created_at=0.0)
        version = Version(
            bucket=BUCKET,
            key=key,
            version_id=secrets.token_hex(8),
            etag=value,
            size_bytes=1,
            modified_at=0.0,
            replicas=(replica,),
        )
        return Commit(session_id=self.session.session_id, version=version, **conditions)

    async def close(self) -> None:
        self.hears.set()
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.gather(self._renewing, return_exceptions=True)


def make_store(site: str) -> Store:
    return Store(
        name=site,
        site=site,
        endpoint="https://127.0.0.1:1",
        region="r",
        bucket="physical",
        access_key="A",
        secret_key="S",
    )
