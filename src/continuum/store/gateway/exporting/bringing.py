"""The side that wants the bytes: has them brought into its own store, or into one that it can read.

All who want the same version wait for one request. It goes on when they leave (a client that gave up comes
again and finds it done, or further on), and ends when its bytes are a replica that the index knows, after
which a read finds them as any others. Copies that no policy asked for may go after `KEPT_S`.

A site whose own store is reached by all serves those that are not: asked to, it brings versions for them.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from continuum.backbone import Backbone, Subscription
from continuum.model.errors import ConflictError, ContinuumError, UnavailableError
from continuum.model.objects import Store, Version
from continuum.store.gateway.adding import Adder
from continuum.store.gateway.discarding import Discarding
from continuum.store.gateway.exporting.choosing import Route, plan_route
from continuum.store.gateway.exporting.exports import find_wanted
from continuum.store.gateway.exporting.requests import (
    ANSWER_S,
    BRING,
    EXPORT,
    Bring,
    Export,
    Insistence,
    Progress,
    Wanted,
    format_subject,
)
from continuum.store.gateway.locations import Locations
from continuum.store.gateway.metrics import Counts
from continuum.store.gateway.peers import Peers
from continuum.store.locator.messages import NoSuchKeyError

log = logging.getLogger(__name__)

WAIT_S = 45.0  # less than clients of S3 wait for a reply
BRING_S = 3600.0
KEPT_S = 3600.0
MOST_RELAYS = 3


class NoWayError(UnavailableError):
    """Nobody can bring the bytes to where they are wanted."""


class Bringer:
    """`bring` a version; `serve` sites that cannot be reached; `close`. `own` is the own store as other sites
    see it."""

    def __init__(
        self,
        peers: Peers,
        locations: Locations,
        discarding: Discarding,
        backbone: Backbone,
        counts: Counts,
        *,
        own: Store,
        keeps: bool = False,
    ) -> None:
        self._peers = peers
        self._locations = locations
        self._discarding = discarding
        self._adder = Adder(peers, locations, discarding)
        self._backbone = backbone
        self._counts = counts
        self._own = own
        self._keeps = keeps
        self._running: dict[str, asyncio.Task[Version]] = {}
        self._asking: dict[str, Insistence] = {}
        self._subscriptions: Sequence[Subscription] = ()
        self._name = secrets.token_hex(8)

    async def serve(self) -> None:
        """Bring versions for others from now on. Raises `BackboneUnavailableError`."""
        serve, site = self._backbone.serve, self._own.site
        self._subscriptions = (
            await serve(format_subject(site, BRING, self._name), Bring, self._answer),
            await serve(format_subject(site, BRING), Bring, self._answer, queue="gateway"),
        )

    async def close(self) -> None:
        """Give up what is under way."""
        for subscription in self._subscriptions:
            await subscription.unsubscribe()
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _answer(self, request: Bring) -> Progress:
        version = await find_wanted(request.wanted, self._locations)
        if any(replica.store == self._own.name for replica in version.replicas):
            return Progress(by=self._name, is_done=True)
        task = self._begin(version, None)
        await asyncio.wait({task}, timeout=ANSWER_S)
        if task.done():
            task.result()
        asking = self._asking.get(version.version_id)
        sent_bytes = asking.sent_bytes if asking is not None else 0
        return Progress(by=self._name, sent_bytes=sent_bytes, is_done=task.done())

    async def bring(
        self, version: Version, *, expires_at: float | None = None, wait_s: float = WAIT_S
    ) -> Version | None:
        """Return the version with a replica that can be read from here; None if no site has to bring it out.

        The copy may go at `expires_at` (0: it stays; None: when it was not read for a while). Raises
        `NoSuchKeyError` if the version was replaced or removed, `UnavailableError` if it cannot be brought,
        or not within `wait_s`.
        """
        if self._plan(version) is None:
            return None
        task = self._begin(version, expires_at)
        await asyncio.wait({task}, timeout=wait_s)
        if task.done() and not task.cancelled():
            return task.result()
        asking = self._asking.get(version.version_id)
        sent = f", {asking.sent_bytes / 1e6:.1f} MB so far" if asking is not None else ""
        raise UnavailableError(
            f"{version.bucket}/{version.key} is on its way out of a site that nobody can connect to{sent}",
            hint="try again: what came is not lost",
        )

    def _plan(self, version: Version) -> Route | None:
        stores = {name: client.store for name, client in self._peers.known.items()}
        holding = [replica.store for replica in version.replicas]
        return plan_route(holding, stores, self._own, unavailable=self._peers.unavailable())

    def _begin(self, version: Version, expires_at: float | None) -> "asyncio.Task[Version]":
        task = self._running.get(version.version_id)
        if task is None:
            task = asyncio.create_task(self._run(version, expires_at))
            self._running[version.version_id] = task
            task.add_done_callback(lambda done: self._end(version, done))
        return task

    def _end(self, version: Version, task: "asyncio.Task[Version]") -> None:
        self._running.pop(version.version_id, None)
        self._asking.pop(version.version_id, None)
        problem = None if task.cancelled() else task.exception()
        self._counts.count_brought("failed" if task.cancelled() or problem else "made")
        if problem is not None:
            log.warning("%s/%s could not be brought: %s", version.bucket, version.key, problem)

    async def _run(self, version: Version, expires_at: float | None) -> Version:
        await self._peers.know(version)
        route = self._plan(version)
        if route is None or not (route.is_direct or route.relays):
            raise _no_way(version, route)
        problems: list[str] = []
        try:
            async with asyncio.timeout(BRING_S):
                for attempt in self._list_attempts(version, route, expires_at):
                    try:
                        return await attempt()
                    except NoSuchKeyError:
                        raise
                    except ContinuumError as problem:
                        problems.append(problem.message)
        except TimeoutError:
            problems.append(f"it took longer than {BRING_S:.0f} s")
        raise UnavailableError(
            f"{version.bucket}/{version.key} lies only at {', '.join(route.sources)}, "
            f"and nobody else can connect there: {'; '.join(dict.fromkeys(problems))}"
        )

    def _list_attempts(
        self, version: Version, route: Route, expires_at: float | None
    ) -> list[Callable[[], Awaitable[Version]]]:
        here = route.sources if route.is_direct else ()
        return [
            *(partial(self._bring_here, version, site, expires_at) for site in here),
            *(partial(self._bring_there, version, site) for site in route.relays[:MOST_RELAYS]),
        ]

    async def _bring_here(self, version: Version, site: str, expires_at: float | None) -> Version:
        """Have it put into the own store, under a key of the own session, and make a replica of it."""
        physical = self._locations.make_physical_key()
        request = Export(wanted=_name(version), store=self._own.name, key=physical.key)
        asking = self._asking[version.version_id] = Insistence(self._backbone, site, EXPORT)
        try:
            done = await asking.ask(request)
            await self._adder.add(version, physical, done.etag, self._choose_expiry(expires_at))
        except ConflictError:  # a copy was made otherwise
            self._discarding.begin(physical)
        except BaseException:
            self._discarding.begin(physical)
            raise
        return await self._look_again(version)

    async def _bring_there(self, version: Version, site: str) -> Version:
        """Have a third site bring it into its store."""
        asking = self._asking[version.version_id] = Insistence(self._backbone, site, BRING)
        await asking.ask(Bring(wanted=_name(version)))
        return await self._look_again(version)

    async def _look_again(self, version: Version) -> Version:
        self._locations.forget(version.bucket, version.key)
        return await find_wanted(_name(version), self._locations)

    def _choose_expiry(self, expires_at: float | None) -> float:
        if expires_at is not None:
            return expires_at
        return 0.0 if self._keeps else time.time() + KEPT_S


def _name(version: Version) -> Wanted:
    return Wanted(bucket=version.bucket, key=version.key, version_id=version.version_id)


def _no_way(version: Version, route: Route | None) -> NoWayError:
    sources = ", ".join(route.sources) if route is not None else "another site"
    return NoWayError(
        f"{version.bucket}/{version.key} lies only at {sources}, nobody else can connect there, "
        "nor to the store of this site",
        hint="let one site have a store that all can connect to: its gateway passes objects on",
    )
