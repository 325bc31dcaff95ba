"""What an API server refuses, as errors of ours. Pure."""

import ssl
from typing import Any

import msgspec

from continuum.model.errors import (
    AccessDeniedError,
    ConflictError,
    ContinuumError,
    InvalidInputError,
    NotFoundError,
    UnavailableError,
)


def is_about_certificates(problem: BaseException | None) -> bool:
    """Is a failed connection due to a certificate that cannot be verified?"""
    while problem is not None:
        if isinstance(problem, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY" in str(problem):
            return True
        problem = problem.__cause__ or problem.__context__
    return False


def refusal_of(status: int, content: bytes, context: str) -> ContinuumError:
    """Return the error for an answer with `status`; the server's own words name the right or the object."""
    message = _find_message(content) or f"the API server answered with {status}"
    match status:
        case 401:
            return AccessDeniedError(
                f"the API server does not know who asks: {message}",
                hint=f"the credentials of context {context} are wrong or too old",
            )
        case 403:
            return AccessDeniedError(message, hint="an admin of the cluster must grant that right")
        case 404:
            return NotFoundError(message)
        case 409 | 410:
            return ConflictError(message)
        case 400 | 422:
            return InvalidInputError(message)
        case _:
            return UnavailableError(message, hint="the API server may be overloaded or starting; try again")


def _find_message(content: bytes) -> str:
    try:
        return str(msgspec.json.decode(content, type=dict[str, Any]).get("message", ""))
    except msgspec.MsgspecError:
        return content[:500].decode(errors="replace").strip()
