"""Decisions over requests: the order of denials, owners, policies and lists."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from continuum.model.objects import ANONYMOUS, Attributes, Bucket, Role, Setting, User, Version
from continuum.store.gateway.authorizing import may
from continuum.store.gateway.calls import Call
from continuum.store.gateway.permissions import Need
from continuum.store.gateway.routes import Routed
from continuum.store.gateway.rules import TAKEN_AWAY
from continuum.store.locator.messages import NoSuchKeyError
from continuum.store.signing import VerifiedRequest

ANN = User(name="ann", access_key="A", secret_key="s")
BOB = User(name="bob", access_key="B", secret_key="s")
ADMIN = User(name="admin", access_key="C", secret_key="s", role=Role.ADMIN)
UNBLOCKED = {Setting.PUBLIC_ACCESS_BLOCK: TAKEN_AWAY}
LISTED = {**UNBLOCKED, Setting.OWNERSHIP: b"ObjectWriter"}


class Known:
    """What the gateway remembers: one bucket, one object `k` of bob's."""

    def __init__(self, bucket: Bucket, acl: bytes = b"") -> None:
        self.bucket = bucket
        self.acl = acl

    async def get_bucket(self, _name: str) -> Bucket:
        return self.bucket

    async def look_up(self, bucket: str, key: str, _version_id: str = "") -> Version:
        if key != "k":
            raise NoSuchKeyError(key)
        return Version(
            bucket=bucket,
            key=key,
            version_id="v",
            etag="e",
            size_bytes=0,
            modified_at=0.0,
            owner="bob",
            attributes=Attributes(tags={"kind": "open"}, acl=self.acl),
        )


async def decide(
    user: User,
    action: str = "s3:GetObject",
    key: str = "k",
    *,
    settings: dict[Any, bytes] | None = None,
    owner: str = "ann",
    acl: bytes = b"",
) -> bool:
    named = {str(name): document for name, document in (settings or {}).items()}
    bucket = Bucket(name="b", owner=owner, home="edge", created_at=0.0, settings=named)
    request = SimpleNamespace(headers={}, client_address="127.0.0.1", is_secure=False)
    verified = VerifiedRequest(
        access_key="", signing_key=b"", seed_signature="", scope="", timestamp="", payload_hash=""
    )
    call = Call(
        context=SimpleNamespace(locations=Known(bucket, acl)),  # type: ignore[arg-type]
        request=request,  # type: ignore[arg-type]
        routed=Routed("GetObject", "b", key),
        user=user,
        verified=verified,
    )
    return await may(call, Need(action, "b", key))


def policy(*statements: dict[str, Any]) -> dict[Any, bytes]:
    every = [{"Principal": "*", "Resource": "arn:aws:s3:::b/*", **each} for each in statements]
    return {**UNBLOCKED, Setting.POLICY: json.dumps({"Statement": every}).encode()}


DENY = {"Effect": "Deny", "Action": "s3:GetObject"}
ALLOW = {"Effect": "Allow", "Action": "s3:GetObject"}


@pytest.mark.parametrize(
    ("user", "settings", "allowed"),
    [
        (ANN, {}, True),
        (ADMIN, {}, True),
        (BOB, {}, False),
        (ANONYMOUS, {}, False),
        (BOB, policy(ALLOW), True),
        (ANONYMOUS, policy(ALLOW), True),
        (ANN, policy(ALLOW, DENY), False),
        (ADMIN, policy(ALLOW, DENY), False),
        (BOB, policy(ALLOW, DENY), False),
        (BOB, LISTED, True),
        (BOB, {**LISTED, **policy(DENY)}, False),
        (ANONYMOUS, LISTED, False),
    ],
)
async def test_what_is_denied_is_denied_then_owners_then_policies_then_lists(
    user: User, settings: dict[Any, bytes], allowed: bool
) -> None:
    assert await decide(user, settings=settings) is allowed


async def test_nobody_owns_a_bucket_without_an_owner() -> None:
    assert not await decide(ANONYMOUS, owner="")
    assert not await decide(ANONYMOUS, "s3:PutBucketPolicy", "", owner="")


async def test_owners_are_never_shut_out_of_the_policy() -> None:
    shut = {
        Setting.POLICY: json.dumps(
            {
                "Statement": [
                    {
                        "Effect": "Deny",
                        "Principal": "*",
                        "Action": "s3:*",
                        "Resource": ["arn:aws:s3:::b", "arn:aws:s3:::b/*"],
                    }
                ]
            }
        ).encode()
    }
    for user in (ANN, ADMIN):
        assert await decide(user, "s3:DeleteBucketPolicy", "", settings=shut)
        assert not await decide(user, "s3:ListBucket", "", settings=shut)
    assert not await decide(BOB, "s3:DeleteBucketPolicy", "", settings=shut)


async def test_tags_of_the_object_can_decide() -> None:
    condition = {"StringEquals": {"s3:ExistingObjectTag/kind": "open"}}
    settings = policy({**ALLOW, "Condition": condition})
    assert await decide(BOB, settings=settings)
    assert not await decide(BOB, key="missing", settings=settings)


async def test_a_session_only_narrows() -> None:
    narrow = json.dumps(
        {"Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::*/k"}]}
    ).encode()
    for role, owner, allowed in (
        (Role.ADMIN, "ann", True),
        (Role.MEMBER, "bob", True),
        (Role.MEMBER, "ann", False),
    ):
        user = User(
            name="bob", access_key="T", secret_key="s", role=role, session_policy=narrow, token_sha256="h"
        )
        assert await decide(user, owner=owner) is allowed
        assert not await decide(user, "s3:PutObject", owner=owner)
        assert not await decide(user, "s3:DeleteBucketPolicy", "", owner=owner)
