"""The locator's answers about sessions of gateways."""

import logging
import secrets
import time

from continuum.store.locator import messages as m
from continuum.store.locator.families import Family, Handlers, session_ended
from continuum.store.locator.index import hubs, sessions
from continuum.store.locator.validating import check_name, check_store

log = logging.getLogger(__name__)


class SessionKeeper(Family):
    """Opens, renews, takes over and closes sessions."""

    def handlers(self) -> Handlers:
        """Return what answers which request."""
        return {
            m.OpenSession: self._open_session,
            m.RenewSession: self._renew_session,
            m.CloseSession: self._close_session,
            m.ListStores: self._list_stores,
        }

    async def _open_session(self, request: m.OpenSession) -> m.Session:
        check_store(request.site, request.store)
        check_name(request.gateway, "a gateway's name")
        session_id = secrets.token_hex(16)
        await self._writer.write(
            sessions.open_session,
            self._sealer,
            session_id=session_id,
            gateway=request.gateway,
            store=request.store,
            now=self._clock(),
            hub=self._peers.epoch,
        )
        self._leases.open(session_id, request.site, time.monotonic())
        return self._session(session_id)

    async def _renew_session(self, request: m.RenewSession) -> m.Session:
        if not self._leases.renew(request.session_id, time.monotonic()):
            await self._take_over(request.session_id)
        return self._session(request.session_id)

    async def _take_over(self, session_id: str) -> None:
        """Go on with a session of another hub. Raises `SessionEndedError` if there is none."""
        has_ended = self._leases.is_live(session_id) or self._leases.has_ended(session_id)
        if self._peers.is_alone or has_ended:
            raise session_ended()
        epoch = self._peers.epoch
        site = await self._writer.write(hubs.take_over, session_id, epoch=epoch)
        if site is None:
            raise session_ended()
        if epoch == self._peers.epoch:
            self._leases.open(session_id, site, time.monotonic())
            log.info("took over session %.8s…", session_id)

    async def _close_session(self, request: m.CloseSession) -> m.Empty:
        self._leases.end(request.session_id)
        await self._writer.write(
            sessions.end_session, request.session_id, now=self._clock(), hub=self._peers.epoch
        )
        return m.Empty()

    def _session(self, session_id: str) -> m.Session:
        return m.Session(
            session_id=session_id,
            lease_s=self._peers.bound(self._settings.lease_s),
            hub_epoch=self._peers.epoch or self._epoch,
            now=self._clock(),
            hub=self._peers.epoch,
            other_hubs=self._peers.others,
        )

    async def _list_stores(self, request: m.ListStores) -> m.Stores:
        self._require_live(request.session_id)
        return m.Stores(stores=await self._reader.point(sessions.list_stores, self._sealer))
