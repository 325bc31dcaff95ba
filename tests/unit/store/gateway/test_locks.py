"""Object lock as the headers of a write ask for it."""

import pytest

from continuum.model.objects import Attributes, Bucket, Setting
from continuum.store.errors import S3Error
from continuum.store.gateway.locks import LockConfiguration, describe_lock, encode_configuration

NOW = 1_000_000_000.0  # 2001-09-09T01:46:40Z
MODE, UNTIL, HOLD = (
    "x-amz-object-lock-mode",
    "x-amz-object-lock-retain-until-date",
    "x-amz-object-lock-legal-hold",
)


def make_bucket(configuration: LockConfiguration | None) -> Bucket:
    settings = {} if configuration is None else {Setting.OBJECT_LOCK: encode_configuration(configuration)}
    return Bucket(name="b", owner="o", home="edge", created_at=0.0, settings=settings)


@pytest.mark.parametrize(
    ("headers", "attributes"),
    [
        ({}, Attributes()),
        ({HOLD: "ON"}, Attributes(legal_hold=True)),
        ({HOLD: "OFF"}, Attributes(legal_hold=False)),
        (
            {MODE: "COMPLIANCE", UNTIL: "2001-09-09T01:46:41Z"},
            Attributes(retention_mode="COMPLIANCE", retain_until=NOW + 1),
        ),
    ],
)
def test_a_write_asks_for_retention_and_legal_hold(headers: dict[str, str], attributes: Attributes) -> None:
    assert describe_lock(headers, make_bucket(LockConfiguration()), NOW) == attributes


@pytest.mark.parametrize(
    ("configuration", "until"),
    [
        (LockConfiguration(mode="GOVERNANCE", days=2), NOW + 2 * 86400),
        (LockConfiguration(mode="GOVERNANCE", years=1), NOW + 365 * 86400),
    ],
)
def test_the_default_retention_of_the_bucket_holds_for_who_asks_for_none(
    configuration: LockConfiguration, until: float
) -> None:
    found = describe_lock({HOLD: "ON"}, make_bucket(configuration), NOW)
    assert found == Attributes(retention_mode="GOVERNANCE", retain_until=until, legal_hold=True)
    asked = {MODE: "COMPLIANCE", UNTIL: "2001-09-09T01:46:41Z"}
    assert describe_lock(asked, make_bucket(configuration), NOW).retention_mode == "COMPLIANCE"


@pytest.mark.parametrize(
    "headers",
    [
        {MODE: "GOVERNANCE"},
        {UNTIL: "2030-01-01T00:00:00Z"},
        {MODE: "governance", UNTIL: "2030-01-01T00:00:00Z"},
        {MODE: "GOVERNANCE", UNTIL: "tomorrow"},
        {MODE: "GOVERNANCE", UNTIL: "2001-09-09T01:46:40Z"},
        {HOLD: "on"},
    ],
)
def test_what_is_no_lock_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(S3Error) as refusal:
        describe_lock(headers, make_bucket(LockConfiguration()), NOW)
    assert refusal.value.code == "InvalidArgument"


def test_a_bucket_without_object_lock_takes_no_locks() -> None:
    assert describe_lock({}, make_bucket(None), NOW) == Attributes()
    with pytest.raises(S3Error) as refusal:
        describe_lock({HOLD: "ON"}, make_bucket(None), NOW)
    assert refusal.value.code == "InvalidRequest"
