"""Telling targets what happened: events leave the outbox when their target has them.

At least once: an event is taken out of the outbox after its target took it, so if this process dies in
between, it is sent again. In order, for one key: the next event about a key is sent when the one before was
taken. A target that fails is left alone for a while that doubles; an event that could not be brought home
for a day is given up, counted as dead and logged. Every target is served by a task of its own, so that a
slow one holds up no other.

Only buckets with a configuration write into the outbox; where there is no target nothing is looked at.
"""

import asyncio
import contextlib
import logging
import secrets
import ssl
import time
from collections.abc import Sequence

from continuum.backbone import Backbone
from continuum.model.errors import ContinuumError, InvalidInputError, NotFoundError
from continuum.model.notifications import TARGET_NAME, parse_rules
from continuum.model.objects import Setting
from continuum.security import client_context
from continuum.store.locator import messages as m
from continuum.store.locator.database import Connection
from continuum.store.locator.events import (
    EVENT_ID_HEADER,
    SIGNATURE_HEADER,
    format_event,
    format_test_event,
    sign_message,
)
from continuum.store.locator.families import Family, Handlers, Workings
from continuum.store.locator.index import outbox, targets
from continuum.store.locator.index.buckets import require_bucket
from continuum.store.locator.index.outbox import Waiting
from continuum.store.locator.posting import NotTakenError, check_address, send
from continuum.store.locator.validating import MAX_PEM_CHARACTERS, check_count

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.1
RELOAD_S = 2.0  # another hub may have been told of targets
AT_ONCE = 8
ROUND = 64
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 60.0
MAX_SECRET_CHARACTERS = 256

Failure = tuple[Waiting, str]


class Notifier(Family):
    """Serves the targets. `start` and `stop` it."""

    def __init__(self, workings: Workings, backbone: Backbone) -> None:
        super().__init__(workings)
        self._backbone = backbone
        self._loaded_at = 0.0
        self._targets: tuple[m.Target, ...] = ()
        self._serving: dict[str, asyncio.Task[None]] = {}
        self._pauses: dict[str, tuple[int, float]] = {}  # by target: rounds that failed, go on at
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Serve from now on what waits and what comes."""
        await self._load()
        self._task = asyncio.ensure_future(self._run())

    async def stop(self) -> None:
        """End; what was under way is sent again at the next start."""
        tasks = [task for task in (self._task, *self._serving.values()) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _load(self) -> None:
        self._targets = await self._reader.scan(targets.load_targets, self._sealer)
        self._loaded_at = time.monotonic()

    # ---- what people ask ----

    def handlers(self) -> Handlers:
        """Return what answers requests."""
        return {
            m.AddTarget: self._add,
            m.RemoveTarget: self._remove,
            m.ListTargets: self._list,
            m.ProbeTargets: self._probe,
        }

    async def _add(self, request: m.AddTarget) -> m.Target:
        if not TARGET_NAME.fullmatch(request.name):
            raise InvalidInputError(
                f"{request.name!r} cannot name a target", hint="use letters, digits, dashes and underscores"
            )
        check_address(request.address)
        _check_ca(request.ca_pem)
        if len(request.secret) > MAX_SECRET_CHARACTERS:
            raise InvalidInputError(f"a secret has at most {MAX_SECRET_CHARACTERS} characters")
        target = m.Target(
            name=request.name,
            address=request.address,
            is_acknowledged=request.is_acknowledged,
            ca_pem=request.ca_pem,
            secret=request.secret or secrets.token_urlsafe(32),
            created_at=self._clock(),
        )
        added = await self._writer.write(targets.add_target, self._sealer, target)
        await self._load()
        return added

    async def _remove(self, request: m.RemoveTarget) -> m.Empty:
        dropped = await self._writer.write(targets.remove_target, request.name)
        if dropped:
            log.warning("removed the target %s and %d events that waited for it", request.name, dropped)
        await self._load()
        return m.Empty()

    async def _list(self, request: m.ListTargets) -> m.Targets:
        del request
        return await self._reader.scan(targets.list_targets)

    async def _probe(self, request: m.ProbeTargets) -> m.ProbedTargets:
        bucket = await self._reader.scan(require_bucket, request.bucket)
        document = bucket.settings.get(Setting.NOTIFICATION)
        if document is None:
            raise NotFoundError(f"{bucket.name!r} has no notification configuration")
        names = sorted({rule.target for rule in parse_rules(document)})
        return m.ProbedTargets(
            targets=tuple(await asyncio.gather(*(self._try(name, bucket.name) for name in names)))
        )

    async def _try(self, name: str, bucket: str) -> m.ProbedTarget:
        if not self._peers.is_alone:
            await self._load()
        target = next((target for target in self._targets if target.name == name), None)
        if target is None:
            return m.ProbedTarget(name=name, error="there is no such target any more")
        event_id = secrets.token_hex(8)
        body = format_test_event(bucket, self._clock(), event_id)
        try:
            await self._send(target, body, event_id)
        except NotTakenError as problem:
            return m.ProbedTarget(name=name, error=problem.message)
        return m.ProbedTarget(name=name)

    # ---- what happens by itself ----

    async def _run(self) -> None:
        is_failing = False
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            if not self._peers.is_on_duty:
                continue
            try:
                if not self._peers.is_alone and time.monotonic() > self._loaded_at + RELOAD_S:
                    await self._load()
                for target in self._targets:
                    if self._is_free(target.name) and await self._has_due(target.name):
                        self._serving[target.name] = asyncio.ensure_future(self._serve(target))
                is_failing = False
            except ContinuumError as problem:
                if not is_failing:
                    log.warning("cannot look for events to tell, will go on trying: %s", problem)
                is_failing = True

    def _is_free(self, name: str) -> bool:
        serving = self._serving.get(name)
        if serving is not None and not serving.done():
            return False
        return time.monotonic() >= self._pauses.get(name, (0, 0.0))[1]

    async def _has_due(self, name: str) -> bool:
        return await self._reader.point(outbox.has_due, name, now=self._clock())

    async def _serve(self, target: m.Target) -> None:
        """Send rounds until nothing is due, or nothing of a round was taken."""
        try:
            while waiting := await self._reader.scan(
                outbox.list_first, target.name, now=self._clock(), limit=ROUND
            ):
                if not await self._round(target, waiting):
                    return
        except ContinuumError as problem:
            log.warning("cannot serve the target %s now: %s", target.name, problem)
            self._pause(target.name)
        except Exception:
            log.exception("serving the target %s failed", target.name)
            self._pause(target.name)

    async def _round(self, target: m.Target, waiting: Sequence[Waiting]) -> bool:
        """Send the first event of some keys; return whether it makes sense to go on at once."""
        room = asyncio.Semaphore(AT_ONCE)
        errors = await asyncio.gather(*(self._tell(target, each, room) for each in waiting))
        delivered = [each.number for each, error in zip(waiting, errors, strict=True) if not error]
        failures = [(each, error) for each, error in zip(waiting, errors, strict=True) if error]
        dead = await self._writer.write(
            _settle,
            target.name,
            delivered,
            failures,
            now=self._clock(),
            keep_s=self._settings.notification_keep_s,
        )
        for each in dead:
            log.error(
                "gave up telling %s of %s of %s/%s: %s",
                target.name,
                each.event.name,
                each.event.bucket,
                each.event.key,
                next(error for failed, error in failures if failed is each),
            )
        if delivered:
            self._pauses.pop(target.name, None)
            return True
        log.warning("the target %s takes nothing: %s", target.name, failures[0][1])
        self._pause(target.name)
        return False

    def _pause(self, name: str) -> None:
        failed, _ = self._pauses.get(name, (0, 0.0))
        pause_s = min(FIRST_PAUSE_S * 2**failed, LONGEST_PAUSE_S)
        self._pauses[name] = min(failed + 1, 20), time.monotonic() + pause_s

    async def _tell(self, target: m.Target, waiting: Waiting, room: asyncio.Semaphore) -> str:
        """Return why an event was not taken; empty if it was."""
        async with room:
            try:
                await self._send(target, format_event(waiting), f"{waiting.number:018X}")
            except NotTakenError as problem:
                return problem.message or "not taken"
        return ""

    async def _send(self, target: m.Target, body: bytes, event_id: str) -> None:
        headers = {
            EVENT_ID_HEADER: event_id,
            SIGNATURE_HEADER: sign_message(target.secret, body, self._clock()),
        }
        await send(target, body, headers, self._backbone)


def _settle(
    connection: Connection,
    target: str,
    delivered: Sequence[int],
    failures: Sequence[Failure],
    *,
    now: float,
    keep_s: float,
) -> list[Waiting]:
    """Take out what was delivered, put off what failed; return what was given up."""
    outbox.drop_events(connection, delivered)
    dead = [waiting for waiting, _ in failures if now - waiting.created_at > keep_s]
    outbox.drop_events(connection, [waiting.number for waiting in dead])
    for waiting, _ in failures:
        if waiting not in dead:
            pause_s = min(FIRST_PAUSE_S * 2 ** min(waiting.attempts, 20), LONGEST_PAUSE_S)
            outbox.put_off(connection, target, waiting, until=now + pause_s)
    targets.count_deliveries(
        connection,
        target,
        delivered=len(delivered),
        dead=len(dead),
        last_error=failures[-1][1] if failures else "",
    )
    return dead


def _check_ca(ca_pem: str) -> None:
    check_count(ca_pem, "characters of certificates", MAX_PEM_CHARACTERS)
    with contextlib.suppress(ssl.SSLError):
        client_context(None, ca_pem=ca_pem)
        return
    raise InvalidInputError("the certificate of the target's authority cannot be read", hint="PEM is needed")
