"""The outbox: events are there when what they tell happened, in order for each key, until they are told."""

import hmac
import json
from hashlib import sha256

import pytest
from locator_making import GRACE_S, Index

from continuum.model.errors import ConflictError, InvalidInputError
from continuum.model.lifecycle import DAY_S
from continuum.model.lifecycle import Rule as LifecycleRule
from continuum.model.lifecycle import format_rules as format_lifecycle
from continuum.model.notifications import Rule, format_arn, format_rules
from continuum.model.objects import Setting, Versioning
from continuum.store.locator.events import format_event, sign_message
from continuum.store.locator.index import buckets, expiring, objects, outbox, targets
from continuum.store.locator.index.outbox import Waiting
from continuum.store.locator.messages import (
    ChangeBucket,
    ChangeObject,
    DeleteItem,
    Origin,
    PreconditionFailedError,
    Target,
)
from continuum.store.locator.notifying import _settle
from continuum.store.locator.posting import _is_refusal, check_address
from continuum.store.locator.sealing import KEY_BYTES, Sealer

EVERYTHING = (
    "s3:ObjectCreated:*",
    "s3:ObjectRemoved:*",
    "s3:LifecycleExpiration:*",
    "s3:ObjectTagging:*",
    "s3:ObjectAcl:Put",
)
SEALER = Sealer(b"k" * KEY_BYTES)


def tell(index: Index, *names: str, versioning: Versioning | None = None, **given: str) -> None:
    rules = tuple(
        Rule(rule_id=f"rule {name}", arn=format_arn(name), events=EVERYTHING, **given) for name in names
    )
    change = ChangeBucket(
        name="bucket", versioning=versioning, settings={Setting.NOTIFICATION: format_rules(rules)}
    )
    buckets.change_bucket(index.connection, change)


def waiting(index: Index, target: str = "t", now: float = 1e12) -> tuple[Waiting, ...]:
    return outbox.list_first(index.connection, target, now=now, limit=100)


def told(index: Index, target: str = "t") -> list[tuple[str, str]]:
    """Take everything out, one round after the other."""
    found = []
    while some := waiting(index, target):
        found += [(each.event.name, each.event.key) for each in some]
        outbox.drop_events(index.connection, [each.number for each in some])
    return found


def test_a_bucket_without_a_configuration_writes_nothing(index: Index) -> None:
    index.put()
    index.delete(DeleteItem(key="key"))
    assert index.connection._cursor.execute("SELECT count(*) FROM outbox").fetchone() == (0,)


def test_what_happens_is_told_by_its_name(index: Index) -> None:
    tell(index, "t")
    request = index.make_commit()
    index.commit(request)
    index.commit(request)  # repeated after its answer was lost: it happened once
    index.commit(index.make_commit(key="copy"))
    upload = index.make_upload("upload").upload
    index.delete(DeleteItem(key="key"))
    index.delete(DeleteItem(key="key"))  # nothing was there any more
    change = {"bucket": "bucket", "key": "copy"}
    objects.change_object(index.connection, ChangeObject(tags={"a": "b"}, **change), now=index.now)
    objects.change_object(index.connection, ChangeObject(tags={}, acl=b"x", **change), now=index.now)
    assert upload.key == "upload"
    assert told(index) == [
        ("ObjectCreated:Put", "key"),
        ("ObjectCreated:Put", "copy"),
        ("ObjectRemoved:Delete", "key"),
        ("ObjectTagging:Put", "copy"),
        ("ObjectTagging:Delete", "copy"),
        ("ObjectAcl:Put", "copy"),
    ]


def test_where_versions_are_kept_markers_are_told(index: Index) -> None:
    tell(index, "t", versioning=Versioning.ENABLED)
    version = index.put()
    index.delete(DeleteItem(key="key", marker_id="m"))
    index.delete(DeleteItem(key="key", marker_id="m"))
    index.delete(DeleteItem(key="key", version_id=version.version_id))
    index.delete(DeleteItem(key="key", version_id="never there"))
    assert told(index) == [
        ("ObjectCreated:Put", "key"),
        ("ObjectRemoved:DeleteMarkerCreated", "key"),
        ("ObjectRemoved:Delete", "key"),
    ]


def test_lifecycle_is_told_as_such(index: Index) -> None:
    tell(index, "t")
    rule = LifecycleRule(rule_id="r", is_enabled=True, prefix="", expire_after_days=1)
    change = ChangeBucket(name="bucket", settings={Setting.LIFECYCLE: format_lifecycle((rule,))})
    buckets.change_bucket(index.connection, change)
    index.put()
    found = expiring.find_due(index.connection, "bucket", (rule,), None, now=9 * DAY_S)
    expiring.expire_pieces(
        index.connection, "bucket", found.pieces, at=9 * DAY_S, now=index.now, grace_s=GRACE_S
    )
    assert told(index) == [("ObjectCreated:Put", "key"), ("LifecycleExpiration:Delete", "key")]


def test_what_is_undone_is_not_told(index: Index) -> None:
    tell(index, "t")
    index.put()
    with pytest.raises(PreconditionFailedError):
        index.commit(index.make_commit(if_none_match=True))
    assert told(index) == [("ObjectCreated:Put", "key")]


def test_only_the_first_event_of_a_key_may_be_sent(index: Index) -> None:
    tell(index, "t", "other", prefix="")
    for key in ("a", "b", "a", "a"):
        index.put(key)
    first = waiting(index)
    assert [each.event.key for each in first] == ["a", "b"]
    outbox.drop_events(index.connection, [first[0].number])
    second = waiting(index)
    assert [each.event.key for each in second] == ["b", "a"]
    assert outbox.count_waiting(index.connection, "t") == 3
    assert outbox.count_waiting(index.connection, "other") == 4


def test_an_event_that_fails_puts_off_its_key_alone_and_is_given_up_in_the_end(index: Index) -> None:
    add(index, "t")
    tell(index, "t")
    for key in ("a", "b", "a"):
        index.put(key)
    a, b = waiting(index)
    dead = _settle(index.connection, "t", [b.number], [(a, "refused")], now=index.now, keep_s=60.0)
    assert dead == []
    assert waiting(index, now=index.now) == ()
    assert [each.attempts for each in waiting(index)] == [1]
    late = index.now + 61.0
    dead = _settle(index.connection, "t", [], [(waiting(index)[0], "gone")], now=late, keep_s=60.0)
    assert [each.event.key for each in dead] == ["a"]
    status = targets.list_targets(index.connection).targets[0]
    assert (status.delivered, status.dead, status.waiting, status.last_error) == (1, 1, 1, "gone")


def add(index: Index, name: str) -> None:
    made = Target(name=name, address="notifications.x", secret="s", created_at=index.now)
    targets.add_target(index.connection, SEALER, made)


def test_a_target_in_use_stays_and_a_removed_one_takes_its_events_along(index: Index) -> None:
    add(index, "t")
    with pytest.raises(ConflictError):
        add(index, "t")
    tell(index, "t")
    index.put()
    with pytest.raises(ConflictError, match="bucket"):
        targets.remove_target(index.connection, "t")
    buckets.change_bucket(index.connection, ChangeBucket(name="bucket", unset=(Setting.NOTIFICATION,)))
    assert targets.load_targets(index.connection, SEALER)[0].secret == "s"
    assert targets.remove_target(index.connection, "t") == 1
    assert waiting(index) == ()


def test_the_message_is_s3s_own(index: Index) -> None:
    tell(index, "t", versioning=Versioning.ENABLED)
    request = index.make_commit(key="ä b/ü+1")
    origin = Origin("CopyObject", "alice", "192.0.2.7", "R1")
    version = index.commit(type(request)(session_id="s-edge", version=request.version, origin=origin))
    (first,) = waiting(index)
    (record,) = json.loads(format_event(first))["Records"]
    assert record == {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "edge",
        "eventTime": "1970-01-01T00:16:40.000Z",
        "eventName": "ObjectCreated:Copy",
        "userIdentity": {"principalId": "alice"},
        "requestParameters": {"sourceIPAddress": "192.0.2.7"},
        "responseElements": {"x-amz-request-id": "R1", "x-amz-id-2": ""},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "rule t",
            "bucket": {
                "name": "bucket",
                "ownerIdentity": {"principalId": "admin"},
                "arn": "arn:aws:s3:::bucket",
            },
            "object": {
                "key": "%C3%A4+b%2F%C3%BC%2B1",
                "size": version.size_bytes,
                "eTag": version.etag,
                "versionId": version.version_id,
                "sequencer": f"{first.number:018X}",
            },
        },
    }


def test_a_signature_can_be_checked_with_the_standard_library() -> None:
    value = sign_message("secret", b"{}", 1_700_000_000.9)
    expected = hmac.new(b"secret", b"1700000000.{}", sha256).hexdigest()
    assert value == f"t=1700000000,v1={expected}"


@pytest.mark.parametrize(
    "address",
    [
        "notifications.a",
        "notifications.a.b-c",
        "https://example.org/hook?x=1",
        "https://[::1]:8443/",
    ],
)
def test_addresses(address: str) -> None:
    check_address(address)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "notifications.",
        "notifications.>",
        "notifications.a.*",
        "notifications.a b",
        "locator.commit",
        "http://example.org/",
        "https://",
        "https://user:secret@example.org/",
        "https://example.org:99999/",
        "https://example.org/\r\nx: y",
        "https://example.org/a b",
        "ftp://example.org",
    ],
)
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(InvalidInputError):
        check_address(address)


@pytest.mark.parametrize(
    ("answer", "is_refusal"),
    [
        (b"", False),
        (b"+OK", False),
        (b"-NAK", True),
        (b'{"stream":"S","seq":1}', False),
        (b'{"error":{"code":503}}', True),
        (b"[1]", False),
    ],
)
def test_answers_of_those_who_acknowledge(answer: bytes, is_refusal: bool) -> None:
    assert _is_refusal(answer) == is_refusal
