"""What gateways say to each other over the backbone, and how long they wait.

Work that takes longer than `ANSWER_S` is answered with how far it is, and asked for again, of the same
process: its name is in the answer. So a question is never open for longer than the backbone keeps the right
to answer, and a side that went away is noticed.
"""

import asyncio
import time
from typing import Any

import msgspec

from continuum.backbone import Backbone, BackboneUnavailableError, RemoteError
from continuum.model.errors import UnavailableError
from continuum.store.locator.messages import NoSuchKeyError

ANSWER_S = 5.0
REPLY_S = 10.0  # beyond that the other side is silent
SILENT_S = 5.0  # a gateway that starts again is back by then
STALL_S = 60.0  # no further byte for so long, and it is given up
_PAUSE_S = 0.2
EXPORT, BRING = "export", "bring"


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A version, by what names it in the index."""

    bucket: str
    key: str
    version_id: str


class Export(msgspec.Struct, frozen=True, kw_only=True):
    """Put the stored bytes of a version into another store, under a physical key of whoever asks.

    On `gateway.SITE.export`. Answer: `Progress`. Saying it again continues the same.
    """

    wanted: Wanted
    store: str
    key: str


class Bring(msgspec.Struct, frozen=True, kw_only=True):
    """Get a copy of a version into your own store. On `gateway.SITE.bring`. Answer: `Progress`."""

    wanted: Wanted


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far it is. `by` is the process that works on it: it is to be asked again, until `is_done`. `etag`
    is what the store said of the bytes."""

    by: str
    sent_bytes: int = 0
    is_done: bool = False
    etag: str = ""


def format_subject(site: str, verb: str, by: str = "") -> str:
    """Return where a site's gateways are asked, or one process of them."""
    return f"gateway.{site}.{verb}.{by}" if by else f"gateway.{site}.{verb}"


class Insistence:
    """Asks a site's gateways until what is asked for is done. `sent_bytes`: as far as is known."""

    def __init__(self, backbone: Backbone, site: str, verb: str) -> None:
        self._backbone = backbone
        self._site = site
        self._verb = verb
        self.sent_bytes = 0

    async def ask(self, request: Export | Bring) -> Progress:
        """Return the answer once it is done.

        Raises `NoSuchKeyError` for what has changed meanwhile, `UnavailableError` if nobody answers or
        nothing moves, and what the other side raises.
        """
        by, heard_at, moved_at = "", time.monotonic(), time.monotonic()
        while True:
            try:
                progress = await self._ask_once(request, by)
            except BackboneUnavailableError as problem:
                if time.monotonic() > heard_at + SILENT_S:
                    raise UnavailableError(
                        f"the gateway of {self._site} does not answer, "
                        "and nobody else can connect to its store"
                    ) from problem
                by = ""  # that process is gone: any of the site may go on
                await asyncio.sleep(_PAUSE_S)
                continue
            if progress.is_done:
                return progress
            by, heard_at = progress.by, time.monotonic()
            if progress.sent_bytes != self.sent_bytes:
                self.sent_bytes, moved_at = progress.sent_bytes, heard_at
            if heard_at > moved_at + STALL_S:
                raise UnavailableError(f"nothing came from {self._site} for {STALL_S:.0f} s")

    async def _ask_once(self, request: Any, by: str) -> Progress:
        subject = format_subject(self._site, self._verb, by)
        try:
            return await self._backbone.request(subject, request, Progress, timeout_s=REPLY_S)
        except RemoteError as problem:
            if problem.code == NoSuchKeyError.code:
                raise NoSuchKeyError(problem.message) from problem
            raise
