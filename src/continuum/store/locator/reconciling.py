"""Bringing the index and the stores together again after gateways died, uploads were forgotten, time went by.

Sessions that went silent end here: in the index, in one transaction with the order to search their store
for what they left. Idle uploads are aborted. Tombstones and ended sessions are forgotten once nobody can ask
for them. When the index cannot be written, it is said once and tried again until it can.
"""

import asyncio
import logging
import time
from collections.abc import Callable

from continuum.model.errors import ContinuumError
from continuum.store.locator.database import Connection
from continuum.store.locator.families import Duty
from continuum.store.locator.index import hubs, sessions, uploads, versions
from continuum.store.locator.leases import Leases
from continuum.store.locator.peers import Standing
from continuum.store.locator.settings import DAY_S, LocatorSettings
from continuum.store.locator.writing import Writer

log = logging.getLogger(__name__)

CLEAN_EVERY_S = 60.0
UPLOADS_AT_ONCE = 500


class Reconciler(Duty):
    """A task that reconciles, every second or so; `start` and `stop` it."""

    def __init__(
        self,
        settings: LocatorSettings,
        leases: Leases,
        writer: Writer,
        clock: Callable[[], float],
        peers: Standing,
    ) -> None:
        self._peers = peers
        self._settings = settings
        self._leases = leases
        self._writer = writer
        self._clock = clock
        self._cleaned_at = -CLEAN_EVERY_S
        self._is_failing = False

    async def _run(self) -> None:
        while True:
            due_at = time.monotonic() + self._settings.reconcile_every_s
            await asyncio.sleep(self._settings.reconcile_every_s)
            lateness_s = time.monotonic() - due_at
            try:
                # When this process itself was held up, renewals that arrived meanwhile are yet to be handled.
                if lateness_s < self._settings.lease_s / 2:
                    await self.end_silent_sessions(time.monotonic())
                if not self._peers.is_alone and self._peers.is_on_duty:
                    await self.end_bereft_sessions()
                is_due = time.monotonic() >= self._cleaned_at + CLEAN_EVERY_S
                if is_due and self._peers.is_on_duty:
                    await self.clean()
                    self._cleaned_at = time.monotonic()
            except ContinuumError as problem:
                if not self._is_failing:
                    log.warning("cannot reconcile, will go on trying: %s", problem)
                self._is_failing = True
            else:
                self._is_failing = False

    async def end_silent_sessions(self, now_s: float) -> None:
        """End, for good, sessions that did not renew; and in the index those that ended in the leases."""
        for session_id in self._leases.list_silent(now_s, self._settings.session_margin_s):
            log.warning("session %.8s… is silent: ended", session_id)
            self._leases.end(session_id)
        for session_id in self._leases.list_ended():
            await self._writer.write(
                sessions.end_session, session_id, now=self._clock(), hub=self._peers.epoch
            )
            self._leases.forget(session_id)

    async def end_bereft_sessions(self) -> None:
        """Forget hubs that are no more; end their sessions that no other hub has taken over by now."""
        margin_s = self._settings.hub_lease_s + self._settings.session_margin_s
        for session in await self._writer.write(hubs.forget_dead, margin_s=margin_s):
            log.warning("session %.8s… has no hub and is silent: ended", session.session_id)
            await self._writer.write(
                sessions.end_session, session.session_id, now=self._clock(), hub=session.hub
            )

    async def clean(self) -> None:
        """Abort idle uploads; forget tombstones and sessions of long ago."""
        now = self._clock()
        aborted = await self._writer.write(
            uploads.abort_idle_uploads,
            before=now - self._settings.upload_idle_s,
            limit=UPLOADS_AT_ONCE,
            now=now,
            grace_s=self._settings.grace_s,
        )
        for upload in aborted:
            log.info("aborted an idle upload of %s/%s", upload.bucket, upload.key)
        await self._writer.write(_forget, now - self._settings.remember_s, now - DAY_S)


def _forget(connection: Connection, versions_before: float, sessions_before: float) -> None:
    versions.purge_versions(connection, before=versions_before)
    sessions.purge_sessions(connection, before=sessions_before)
