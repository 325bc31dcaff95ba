"""Who sends a request: the signature is checked against the secret of the user whose access key it names."""

import time

from continuum.model.objects import User
from continuum.store.errors import S3Error
from continuum.store.gateway.connections import Request
from continuum.store.gateway.locations import Locations
from continuum.store.locator.messages import NoSuchUserError
from continuum.store.signing import VerifiedRequest, parse_authorization, verify


async def authenticate(request: Request, locations: Locations) -> tuple[User, VerifiedRequest]:
    """Return the user and the verified request. Raises `S3Error`; nobody is let in anonymously."""
    headers = request.headers
    authorization = parse_authorization(request.method, request.raw_path, request.raw_query, headers)
    if authorization is None:
        raise S3Error("AccessDenied", hint="requests must be signed (AWS Signature Version 4)")
    user = locations.recall_user(authorization.access_key)
    if user is None:
        user = await _find_user(authorization.access_key, locations)
    verified = verify(
        authorization,
        user.secret_key,
        method=request.method,
        raw_path=request.raw_path,
        raw_query=request.raw_query,
        headers=headers,
        now=time.time(),
    )
    return user, verified


async def _find_user(access_key: str, locations: Locations) -> User:
    try:
        return await locations.get_user(access_key)
    except NoSuchUserError:
        raise S3Error("InvalidAccessKeyId", extra={"AWSAccessKeyId": access_key[:128]}) from None
