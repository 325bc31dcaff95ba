"""Temporary credentials, as AWS's Security Token Service gives them: `POST /` with `Action=…`.

    AssumeRole         temporary keys of who asks, maybe narrowed by a policy
    GetSessionToken    temporary keys of who asks
    GetCallerIdentity  who asks

There are no roles here that give rights: whoever assumes one stays themselves; its name is only told. Keys
are the locator's, which forgets them when they end or their user is removed. Temporary keys cannot make
further ones, so that nobody widens what was narrowed. Requests are signed for the service `sts`. Source: AWS
Security Token Service API Reference.
"""

import hashlib
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import parse_qsl

from continuum.model.access import PolicyError, parse_session_policy
from continuum.model.access.policies import ACCOUNT, MAX_POLICY_BYTES
from continuum.model.errors import ContinuumError, UnavailableError
from continuum.model.objects import User
from continuum.store.errors import S3Error
from continuum.store.gateway.authenticating import find_user
from continuum.store.gateway.calls import Context
from continuum.store.gateway.connections import Request
from continuum.store.gateway.replies import Reply
from continuum.store.gateway.texts import escape_text, format_iso8601
from continuum.store.gateway.tokens import check_token, find_token
from continuum.store.locator.messages import IssuedKey, IssueKey
from continuum.store.signing import parse_authorization, verify

MAX_BODY_BYTES = 64 * 1024
MIN_DURATION_S = 900
MAX_DURATION_S = 43_200
DEFAULT_ROLE_S = 3600
_VERSION = "2011-06-15"
_NAMESPACE = f"https://sts.amazonaws.com/doc/{_VERSION}/"
_FORM = "application/x-www-form-urlencoded"
_ROLE_ARN = re.compile(rf"arn:aws:iam::(?:{ACCOUNT})?:role/([\w+=,.@/-]{{1,512}})", re.ASCII)
_SESSION_NAME = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
_COMMON = frozenset({"Action", "Version"})
_STATUS = {"AccessDenied": 403, "ExpiredToken": 403, "SignatureDoesNotMatch": 403, "InternalFailure": 500}


class StsError(ContinuumError):
    """What STS refuses, with its own codes."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


def is_for_sts(request: Request) -> bool:
    """Whether a request is for the token service: a form posted to the root."""
    content_type = request.headers.get("content-type", "")
    return (
        request.method == "POST"
        and request.raw_path == b"/"
        and not request.raw_query
        and content_type.partition(";")[0].strip().lower() == _FORM
    )


async def answer_sts(request: Request, context: Context) -> Reply:
    """Answer a request. Never raises but for cancellation, and for what is wrong with the body."""
    try:
        form_bytes = await request.body.read(MAX_BODY_BYTES)
        user = await _authenticate(request, context, form_bytes)
        form = _parse_form(form_bytes)
        action = form.get("Action", "")
        result = await _choose(action)(context, user, form)
    except StsError as problem:
        return _refuse(request, problem.code, problem.message, problem.status)
    except S3Error as problem:
        return _refuse(request, problem.code, str(problem), _STATUS.get(problem.code, problem.status))
    except UnavailableError as problem:
        return _refuse(request, "ServiceUnavailable", problem.message, 503)
    except ContinuumError as problem:
        return _refuse(request, "ValidationError", problem.message, 400)
    body = (
        f'<{action}Response xmlns="{_NAMESPACE}"><{action}Result>{result}</{action}Result>'
        f"<ResponseMetadata><RequestId>{request.request_id}</RequestId></ResponseMetadata></{action}Response>"
    )
    return Reply(headers={"Content-Type": "text/xml"}, body=body.encode())


def _refuse(request: Request, code: str, message: str, status: int) -> Reply:
    body = (
        f'<ErrorResponse xmlns="{_NAMESPACE}"><Error><Type>Sender</Type><Code>{code}</Code>'
        f"<Message>{escape_text(message)}</Message></Error>"
        f"<RequestId>{request.request_id}</RequestId></ErrorResponse>"
    )
    return Reply(status=status, headers={"Content-Type": "text/xml"}, body=body.encode())


async def _authenticate(request: Request, context: Context, body: bytes) -> User:
    """Return who signed the request. Its body is signed too, by its hash, which need not be in a header."""
    payload_hash = hashlib.sha256(body).hexdigest()
    given = request.headers.get("x-amz-content-sha256", payload_hash)
    if given != payload_hash:
        raise S3Error("XAmzContentSHA256Mismatch")
    authorization = parse_authorization(
        request.method,
        request.raw_path,
        b"",
        {**request.headers, "x-amz-content-sha256": payload_hash},
        service="sts",
    )
    if authorization is None:
        raise StsError("MissingAuthenticationToken", "Request is missing Authentication Token", 403)
    user = await find_user(authorization.access_key, context.locations)
    now = time.time()
    verify(
        authorization,
        user.secret_key,
        method=request.method,
        raw_path=request.raw_path,
        raw_query=b"",
        headers=request.headers,
        now=now,
    )
    check_token(user, find_token(b"", request.headers), now)
    return user


def _parse_form(body: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=100)
    except ValueError:
        raise StsError("ValidationError", "The request's form cannot be read") from None
    form = dict(pairs)
    if len(form) < len(pairs):
        raise StsError("ValidationError", "A parameter is given twice")
    if form.get("Version", "") != _VERSION:
        raise StsError("InvalidAction", f"The version must be {_VERSION}")
    return form


def _check_parameters(form: Mapping[str, str], *known: str) -> None:
    for name in form:
        if name not in _COMMON and name not in known:
            raise StsError("ValidationError", f"The parameter {name[:60]} is not supported here")


# ---- actions ----


async def _get_caller_identity(context: Context, user: User, form: Mapping[str, str]) -> str:
    del context
    _check_parameters(form)
    arn = f"arn:aws:iam::{ACCOUNT}:user/{user.name}"
    name = escape_text(user.name)
    return f"<Arn>{escape_text(arn)}</Arn><UserId>{name}</UserId><Account>{ACCOUNT}</Account>"


async def _get_session_token(context: Context, user: User, form: Mapping[str, str]) -> str:
    _check_parameters(form, "DurationSeconds")
    issued = await _issue(context, user, _parse_duration(form, MAX_DURATION_S), b"")
    return _format_credentials(issued)


async def _assume_role(context: Context, user: User, form: Mapping[str, str]) -> str:
    _check_parameters(form, "RoleArn", "RoleSessionName", "Policy", "DurationSeconds")
    role = _ROLE_ARN.fullmatch(form.get("RoleArn", ""))
    if role is None:
        raise StsError("ValidationError", f"RoleArn must be arn:aws:iam::{ACCOUNT}:role/NAME")
    session = form.get("RoleSessionName", "")
    if not _SESSION_NAME.fullmatch(session):
        raise StsError("ValidationError", "RoleSessionName must be 2 to 64 letters, digits and +=,.@-_")
    policy = _parse_policy(form["Policy"]) if "Policy" in form else b""
    issued = await _issue(context, user, _parse_duration(form, DEFAULT_ROLE_S), policy)
    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/{role[1]}/{session}"
    return (
        f"<AssumedRoleUser><Arn>{escape_text(arn)}</Arn>"
        f"<AssumedRoleId>{escape_text(f'{user.name}:{session}')}</AssumedRoleId></AssumedRoleUser>"
        + _format_credentials(issued)
    )


_ACTIONS: dict[str, Callable[[Context, User, Mapping[str, str]], Awaitable[str]]] = {
    "GetCallerIdentity": _get_caller_identity,
    "GetSessionToken": _get_session_token,
    "AssumeRole": _assume_role,
}


def _choose(action: str) -> Callable[[Context, User, Mapping[str, str]], Awaitable[str]]:
    if action not in _ACTIONS:
        raise StsError("InvalidAction", f"Could not find operation {action[:60]} for version {_VERSION}")
    return _ACTIONS[action]


def _parse_duration(form: Mapping[str, str], otherwise: int) -> int:
    text = form.get("DurationSeconds", str(otherwise))
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MAX_DURATION_S))):
        raise StsError("ValidationError", "DurationSeconds must be a number")
    if not MIN_DURATION_S <= int(text) <= MAX_DURATION_S:
        raise StsError("ValidationError", f"DurationSeconds must be {MIN_DURATION_S} to {MAX_DURATION_S}")
    return int(text)


def _parse_policy(text: str) -> bytes:
    document = text.encode()
    if not document or len(document) > MAX_POLICY_BYTES:
        raise StsError("PackedPolicyTooLarge", f"a policy has 1 to {MAX_POLICY_BYTES} bytes")
    try:
        parse_session_policy(document)
    except PolicyError as problem:
        raise StsError("MalformedPolicyDocument", problem.message) from problem
    return document


async def _issue(context: Context, user: User, duration_s: int, policy: bytes) -> IssuedKey:
    if user.is_temporary:
        raise StsError("AccessDenied", "Cannot make temporary credentials with temporary credentials", 403)
    request = IssueKey(access_key=user.access_key, duration_s=duration_s, policy=policy)
    issued: IssuedKey = await context.locations.ask(request)
    return issued


def _format_credentials(issued: IssuedKey) -> str:
    return (
        f"<Credentials><AccessKeyId>{issued.access_key}</AccessKeyId>"
        f"<SecretAccessKey>{issued.secret_key}</SecretAccessKey>"
        f"<SessionToken>{issued.session_token}</SessionToken>"
        f"<Expiration>{format_iso8601(issued.expires_at)}</Expiration></Credentials>"
    )
