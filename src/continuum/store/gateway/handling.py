"""From a request to a reply: route, authenticate, run the operation, and tell whatever goes wrong as an S3
error (`translating`).

What nobody foresaw is logged with its traceback and answered as `InternalError`; it never ends the process,
nor another request.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from continuum.model.errors import ContinuumError, NotFoundError
from continuum.store.errors import S3Error
from continuum.store.gateway.authenticating import authenticate
from continuum.store.gateway.authorizing import authorize, conceal
from continuum.store.gateway.bodies import ClientGoneError
from continuum.store.gateway.calls import Call, Context
from continuum.store.gateway.connections import Request
from continuum.store.gateway.disconnected import Standin
from continuum.store.gateway.framing import FramingError
from continuum.store.gateway.hoisting import hoist_headers
from continuum.store.gateway.metrics import format_metrics
from continuum.store.gateway.operations import OPERATIONS
from continuum.store.gateway.operations.posting import post_object
from continuum.store.gateway.origins import PREFLIGHT, answer_preflight, tell_origin
from continuum.store.gateway.replies import Reply
from continuum.store.gateway.routes import Routed
from continuum.store.gateway.sts import answer_sts, is_for_sts
from continuum.store.gateway.translating import refuse, tell_error, translate
from continuum.store.gateway.wire import route

log = logging.getLogger(__name__)

OWN_PAGES = b"/-/"
_PRESIGNED = b"X-Amz-Signature="


class Handler:
    """Answers requests."""

    def __init__(self, context: Context, *, domain: str, standin: Standin | None = None) -> None:
        self._context = context
        self._domain = domain
        self._standin = standin

    async def handle(self, request: Request) -> Reply:
        """Answer a request. Never raises but for cancellation."""
        operation, bucket = "-", ""
        try:
            if request.raw_path.startswith(OWN_PAGES):
                return self._own_page(request)
            if request.method == PREFLIGHT:
                return await answer_preflight(request, self._context, self._domain)
            if is_for_sts(request):
                return await answer_sts(request, self._context)
            routed = route(
                request.method, request.raw_path, request.raw_query, request.headers, domain=self._domain
            )
            operation, bucket = routed.operation, routed.bucket
            reply = await self._answer(request, routed)
        except S3Error as problem:
            reply = tell_error(request, problem)
        except ClientGoneError:
            reply = tell_error(request, S3Error("IncompleteBody"))
        except ContinuumError as problem:
            reply = tell_error(request, translate(problem))
        except Exception:
            log.exception("request %s (%s) failed", request.request_id, operation)
            reply = tell_error(request, S3Error("InternalError"))
        self._context.counts.count_request(operation, reply.status)
        if "origin" in request.headers:
            await tell_origin(request, reply, self._context, bucket)
        return reply

    async def _answer(self, request: Request, routed: Routed) -> Reply:
        """Find out who asks, and do what they ask."""
        if routed.operation == "PostObject":  # who posts a form is told in the form
            return await post_object(self._context, request, routed)
        user, verified = await authenticate(request, self._context.locations)
        if _PRESIGNED in request.raw_query:
            request.headers = hoist_headers(routed.query, request.headers)
        work = OPERATIONS.get(routed.operation)
        if work is None:
            raise S3Error("NotImplemented", f"{routed.operation} is not implemented here.")
        call = Call(context=self._context, request=request, routed=routed, user=user, verified=verified)
        return await self._work(call, work)

    @staticmethod
    async def _work(call: Call, work: Callable[[Call], Awaitable[Reply]]) -> Reply:
        """Run an operation if it is allowed; of what is missing tell only who may know."""
        await authorize(call)
        try:
            return await work(call)
        except (S3Error, NotFoundError) as problem:
            told = problem if isinstance(problem, S3Error) else translate(problem)
            raise await conceal(call, told) from problem

    def refuse(self, problem: FramingError, request_id: str) -> Reply:
        """Answer what is no request."""
        self._context.counts.count_request("-", 400)
        return refuse(problem, request_id)

    # ---- pages of the gateway's own: "-" cannot name a bucket ----

    def _own_page(self, request: Request) -> Reply:
        if request.method not in {"GET", "HEAD"}:
            raise S3Error("MethodNotAllowed")
        if request.raw_path == b"/-/metrics":
            return self._metrics()
        if request.raw_path == b"/-/health":
            return self._health()
        raise S3Error("NoSuchKey", "The gateway has /-/metrics and /-/health.")

    def _metrics(self) -> Reply:
        counts = self._context.counts
        counts.locator_requests = self._context.locations.round_trips
        if self._standin is not None:
            counts.journal_records = self._standin.standing.waiting
        text = format_metrics(counts, site=self._context.site)
        return Reply(headers={"Content-Type": "text/plain; version=0.0.4"}, body=text.encode())

    def _health(self) -> Reply:
        """200 while the gateway can do its work: the locator answers, and the own store, as far as is
        known."""
        locator = self._context.locations.has_lease
        stores = {name: client.is_available() for name, client in self._context.peers.known.items()}
        well = locator and stores.get(self._context.own.store.name, False)
        page: dict[str, Any] = {
            "status": "ok" if well else "degraded",
            "locator": locator,
            "stores": stores,
        }
        if self._standin is not None:
            page["disconnected"] = self._standin.describe()
        return Reply(
            status=200 if well else 503,
            headers={"Content-Type": "application/json"},
            body=msgspec.json.encode({"site": self._context.site, **page}),
        )
