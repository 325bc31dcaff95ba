"""A driver's connection to the continuum: one thread with one event loop, for the executors of all its sites.

What agents tell a run is signed by them, and verified here, because drivers unpickle what they send. What is
told to another driver of the run than this one, which has died or been replaced, is refused.
"""

import logging
from collections.abc import Coroutine
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, Protocol, TypeVar

import msgspec

from continuum.backbone import Backbone, BackboneSettings
from continuum.model.errors import ConflictError, ContinuumError, NotFoundError, UnavailableError
from continuum.security import IdentityFiles, SignatureError, Signer, Verifier
from continuum.store import ObjectClient
from continuum.workflow import posting
from continuum.workflow.looping import OwnLoop
from continuum.workflow.messages import RunSpec

log = logging.getLogger(__name__)

CONNECT_WAIT_S = 5.0
OPEN_TIMEOUT_S = 20.0
CLOSE_TIMEOUT_S = 15.0
AGENT_ROLE = "agent"

Result = TypeVar("Result")


class Hearer(Protocol):
    """Who hears what a site says about a run."""

    @property
    def site(self) -> str:
        """The site's name."""

    def take(self, events: posting.Events) -> None:
        """Take a batch of events from the site, once."""


class DriverConnection:
    """A driver's connection to the continuum: `open` it before the executors start, `close` it after them.

    `objects` must not have been used yet; it is closed with the connection.
    """

    def __init__(self, settings: BackboneSettings, identity: IdentityFiles, objects: ObjectClient) -> None:
        self._settings = settings
        self._identity = identity
        self.objects = objects
        self.loop = OwnLoop("driver-connection")
        self._executors: dict[str, dict[str, Hearer]] = {}  # by run, by site
        self._incarnations: dict[str, int] = {}  # by run

    def open(self) -> None:
        """Connect. Raises `BackboneUnavailableError`."""
        self.signer = Signer(self._identity)
        try:
            self.backbone = self.wait(Backbone.connect(self._settings, wait_s=CONNECT_WAIT_S), OPEN_TIMEOUT_S)
        except BaseException:
            self.loop.stop()
            raise

    def close(self) -> None:
        """Disconnect; blocks for a moment."""
        try:
            self.wait(self._close(), CLOSE_TIMEOUT_S)
        except (ContinuumError, FutureTimeoutError) as problem:
            log.warning("the connection did not end cleanly: %s", problem)
        self.loop.stop()

    def wait(self, work: Coroutine[Any, Any, Result], timeout_s: float) -> Result:
        """Run a coroutine in the connection's thread and wait for its result."""
        future: Future[Result] = self.loop.run(work)
        try:
            return future.result(timeout_s)
        except FutureTimeoutError:
            future.cancel()
            raise UnavailableError(f"no answer within {timeout_s:.0f} s") from None

    async def join(self, run: RunSpec, executor: Hearer) -> None:
        """Hear what `executor`'s site says about a run."""
        run_id = run.run_id
        self._incarnations[run_id] = run.incarnation
        members = self._executors.get(run_id)
        if members is not None:
            members[executor.site] = executor
            return
        members = self._executors[run_id] = {executor.site: executor}
        verifier = Verifier(self._identity.ca_file, audience=posting.audience_of_run(run_id))

        async def hear(raw: msgspec.Raw) -> posting.Noted:
            return self._hear(verifier, members, raw)

        await self.backbone.serve(posting.events_subject(run_id), msgspec.Raw, hear)

    def leave(self, run_id: str, executor: Hearer) -> None:
        """Stop hearing."""
        self._executors.get(run_id, {}).pop(executor.site, None)

    def _hear(self, verifier: Verifier, members: dict[str, Hearer], raw: msgspec.Raw) -> posting.Noted:
        try:
            events, verified = posting.open_sealed(verifier, raw, posting.Events, role=AGENT_ROLE)
            if verified.signer != f"agent.{events.site}":
                raise SignatureError(f"{verified.signer} speaks for site {events.site}")
            if events.incarnation != self._incarnations.get(events.run_id):
                raise ConflictError(f"the run {events.run_id} has another driver now")
        except ContinuumError as problem:
            log.warning("refused events: %s", problem)
            raise
        executor = members.get(events.site)
        if executor is None:
            raise NotFoundError(f"site {events.site} takes no part in the run any more")
        executor.take(events)
        return posting.Noted()

    async def _close(self) -> None:
        await self.objects.close()
        await self.backbone.close()
