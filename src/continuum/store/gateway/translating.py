"""Whatever goes wrong, as S3 tells it.

Errors of the locator and of stores have their own classes; here is the one place where they become S3's
codes, and S3's errors become replies. It loads nothing of what answers requests, so that a directory store
can use it.
"""

import logging

from continuum.model.errors import (
    AccessDeniedError,
    ConflictError,
    ContinuumError,
    InvalidInputError,
    NotFoundError,
    UnavailableError,
)
from continuum.store.errors import ERRORS, S3Error
from continuum.store.gateway.connections import Request
from continuum.store.gateway.framing import FramingError
from continuum.store.gateway.replies import Reply
from continuum.store.gateway.wire import format_error
from continuum.store.locator.messages import SessionEndedError

log = logging.getLogger(__name__)

_XML = {"Content-Type": "application/xml"}
_NOT_MODIFIED = 304
_SERVER_FAULT = 500
_CODES: tuple[tuple[type[ContinuumError], str], ...] = (
    (UnavailableError, "ServiceUnavailable"),
    (AccessDeniedError, "AccessDenied"),
    (InvalidInputError, "InvalidRequest"),
    (NotFoundError, "NoSuchKey"),
    (ConflictError, "OperationAborted"),
)


def translate(problem: ContinuumError) -> S3Error:
    """Return the S3 error that says the same."""
    if problem.code in ERRORS:
        return S3Error(problem.code, "" if isinstance(problem, NotFoundError) else problem.message)
    if isinstance(problem, SessionEndedError):
        return S3Error("ServiceUnavailable", "The gateway lost its session with the locator. Try again.")
    for kind, code in _CODES:
        if isinstance(problem, kind):
            return S3Error(code, problem.message)
    log.error("an error without a code of S3: %r", problem)
    return S3Error("InternalError")


def tell_error(request: Request, problem: S3Error) -> Reply:
    """Return the reply to a request that failed."""
    if problem.status == _NOT_MODIFIED:  # it has no body, and no headers about one
        return Reply(status=_NOT_MODIFIED, headers=problem.headers)
    if problem.status >= _SERVER_FAULT and problem.code != "NotImplemented":
        log.warning("request %s: %s %s", request.request_id, problem.code, problem.message)
    message = f"{problem.message} ({problem.hint})" if problem.hint else problem.message
    resource = request.raw_path.decode("latin-1")
    status, body = format_error(problem.code, message, resource, request.request_id, problem.extra)
    return Reply(status=status, headers=_XML | problem.headers, body=body)


def refuse(problem: FramingError, request_id: str) -> Reply:
    """Return the reply to what is no request."""
    status, body = format_error("BadRequest", problem.message, "", request_id)
    return Reply(status=status, headers=_XML, body=body)
