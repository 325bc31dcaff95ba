"""Who sends a request: the signature is checked against the secret of the user whose access key it names."""

import time
from collections.abc import Mapping

from continuum.model.objects import ANONYMOUS, User
from continuum.store.authorizations import STREAMING, STREAMING_UNSIGNED_TRAILER, UNSIGNED_PAYLOAD
from continuum.store.errors import S3Error
from continuum.store.gateway.connections import Request
from continuum.store.gateway.locations import Locations
from continuum.store.gateway.tokens import check_token, find_token
from continuum.store.locator.messages import NoSuchUserError
from continuum.store.signing import VerifiedRequest, parse_authorization, verify


async def authenticate(request: Request, locations: Locations) -> tuple[User, VerifiedRequest]:
    """Return the user and the verified request. Raises `S3Error`.

    Who sends no signature is `ANONYMOUS`, who may do only what a bucket allows to everybody.
    """
    headers = request.headers
    authorization = parse_authorization(request.method, request.raw_path, request.raw_query, headers)
    if authorization is None:
        return ANONYMOUS, _unsigned(headers)
    user = await find_user(authorization.access_key, locations)
    now = time.time()
    verified = verify(
        authorization,
        user.secret_key,
        method=request.method,
        raw_path=request.raw_path,
        raw_query=request.raw_query,
        headers=headers,
        now=now,
    )
    check_token(user, find_token(request.raw_query, headers), now)
    return user, verified


def _unsigned(headers: Mapping[str, str]) -> VerifiedRequest:
    """Return what a request without a signature says of its body: it may declare a hash, and may come in
    chunks that are not signed."""
    payload_hash = headers.get("x-amz-content-sha256", UNSIGNED_PAYLOAD)
    if payload_hash in STREAMING and payload_hash != STREAMING_UNSIGNED_TRAILER:
        raise S3Error("AccessDenied", hint="a body with signed chunks needs a signed request")
    return VerifiedRequest(
        access_key="",
        signing_key=b"",
        seed_signature="",
        scope="",
        timestamp="",
        payload_hash=payload_hash,
    )


async def find_user(access_key: str, locations: Locations) -> User:
    """Return whose key this is. Raises `S3Error` `InvalidAccessKeyId`."""
    known = locations.recall_user(access_key)
    if known is not None:
        return known
    try:
        return await locations.get_user(access_key)
    except NoSuchUserError:
        raise S3Error("InvalidAccessKeyId", extra={"AWSAccessKeyId": access_key[:128]}) from None
