"""From a request to a reply: who asks, what for, and the family of operations that answers it."""

import hmac
import logging
import time
from collections.abc import Awaitable, Callable, Mapping

import msgspec

from continuum.model.errors import ContinuumError
from continuum.store.directories.disks import telling_full
from continuum.store.directories.operations import objects, uploads
from continuum.store.directories.operations.calls import DirectoryCall, Shared
from continuum.store.directories.settings import DirectoryKeys, DirectorySettings
from continuum.store.errors import S3Error
from continuum.store.gateway.bodies import ClientGoneError
from continuum.store.gateway.connections import Request
from continuum.store.gateway.replies import Reply
from continuum.store.gateway.translating import tell_error, translate
from continuum.store.gateway.wire import route
from continuum.store.signing import VerifiedRequest, parse_authorization, verify

log = logging.getLogger(__name__)

_MANAGING = frozenset({"CreateBucket", "DeleteBucket", "ListBuckets"})
OPERATIONS: Mapping[str, Callable[[DirectoryCall], Awaitable[Reply]]] = {
    **objects.OPERATIONS,
    **uploads.OPERATIONS,
}


class DirectoryHandler:
    """Answers requests to a directory store."""

    def __init__(self, shared: Shared, settings: DirectorySettings) -> None:
        self._shared = shared
        self._keys = settings.keys

    async def handle(self, request: Request) -> Reply:
        """Answer a request. Never raises but for cancellation."""
        try:
            if request.raw_path == b"/-/health":
                return _health()
            with telling_full(self._shared.tree.path):
                return await self._answer(request)
        except S3Error as problem:
            return tell_error(request, problem)
        except ClientGoneError:
            return tell_error(request, S3Error("IncompleteBody"))
        except ContinuumError as problem:
            return tell_error(request, translate(problem))
        except Exception:
            log.exception("request %s failed: %s %r", request.request_id, request.method, request.raw_path)
            return tell_error(request, S3Error("InternalError"))

    async def _answer(self, request: Request) -> Reply:
        keys, verified = self._authenticate(request)
        routed = route(request.method, request.raw_path, request.raw_query, request.headers)
        work = OPERATIONS.get(routed.operation)
        if work is None:
            raise S3Error("NotImplemented", f"{routed.operation} is not implemented by a directory store.")
        if routed.operation in _MANAGING and not keys.may_manage:
            raise S3Error("AccessDenied")
        return await work(
            DirectoryCall(shared=self._shared, request=request, routed=routed, verified=verified)
        )

    def _authenticate(self, request: Request) -> tuple[DirectoryKeys, VerifiedRequest]:
        headers = request.headers
        authorization = parse_authorization(request.method, request.raw_path, request.raw_query, headers)
        if authorization is None:
            raise S3Error("AccessDenied")
        found: DirectoryKeys | None = None
        for keys in self._keys:
            if hmac.compare_digest(keys.access_key.encode(), authorization.access_key.encode()):
                found = keys
        if found is None:
            raise S3Error("InvalidAccessKeyId", extra={"AWSAccessKeyId": authorization.access_key[:128]})
        verified = verify(
            authorization,
            found.secret_key,
            method=request.method,
            raw_path=request.raw_path,
            raw_query=request.raw_query,
            headers=headers,
            now=time.time(),
        )
        return found, verified


def _health() -> Reply:
    page = {"status": "ok"}
    return Reply(headers={"Content-Type": "application/json"}, body=msgspec.json.encode(page))
