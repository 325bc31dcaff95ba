"""Object lock: the bucket's default retention, and retention and legal hold of single versions."""

import time
from typing import Any

from continuum.model.objects import Setting, Versioning
from continuum.store.errors import S3Error
from continuum.store.gateway.calls import Call
from continuum.store.gateway.checksums import require_digest
from continuum.store.gateway.locks import (
    MAX_DAYS,
    YEAR_DAYS,
    LockConfiguration,
    check_until,
    encode_configuration,
    find_configuration,
    require_configuration,
)
from continuum.store.gateway.operations.answers import answer, read_input
from continuum.store.gateway.operations.changing import change_setting, change_version
from continuum.store.gateway.operations.finding import find_version
from continuum.store.gateway.receiving import read_document
from continuum.store.gateway.replies import Reply
from continuum.store.locator.messages import Retention


async def put_object_lock_configuration(call: Call) -> Reply:
    """Set the default retention; gives object lock to a bucket that keeps versions."""
    bucket = await call.require_bucket()
    require_digest(call.headers)
    wanted = read_input(call, await read_document(call)).get("ObjectLockConfiguration") or {}
    configuration = _read_configuration(wanted)
    if bucket.versioning is not Versioning.ENABLED:
        raise S3Error(
            "InvalidBucketState",
            "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration",
        )
    await change_setting(call, Setting.OBJECT_LOCK, encode_configuration(configuration))
    return answer(call)


def _read_configuration(wanted: dict[str, Any]) -> LockConfiguration:
    if wanted.get("ObjectLockEnabled") != "Enabled":
        raise S3Error("MalformedXML")
    if "Rule" not in wanted:
        return LockConfiguration()
    default = wanted["Rule"].get("DefaultRetention") or {}
    if "DefaultEventHold" in default:
        raise S3Error("NotImplemented", "Event holds are not implemented here.")
    if "Mode" not in default or ("Days" in default) == ("Years" in default):
        raise S3Error("MalformedXML")
    days, years = default.get("Days", 0), default.get("Years", 0)
    if not days and not years:
        raise S3Error("InvalidRetentionPeriod")
    if days + years * YEAR_DAYS > MAX_DAYS:
        raise S3Error("InvalidRetentionPeriod", "Default retention period too long.")
    return LockConfiguration(mode=default["Mode"], days=days, years=years)


async def get_object_lock_configuration(call: Call) -> Reply:
    """Tell the default retention of a bucket with object lock."""
    configuration = find_configuration(await call.require_bucket())
    if configuration is None:
        raise S3Error("ObjectLockConfigurationNotFoundError", extra={"BucketName": call.bucket})
    told: dict[str, Any] = {"ObjectLockEnabled": "Enabled"}
    if configuration.mode:
        period = {"Days": configuration.days} if configuration.days else {"Years": configuration.years}
        told["Rule"] = {"DefaultRetention": {"Mode": configuration.mode, **period}}
    return answer(call, {"ObjectLockConfiguration": told})


async def put_object_retention(call: Call) -> Reply:
    """Set how long a version is retained; an empty document takes the retention away where that is
    allowed."""
    require_configuration(await call.require_bucket())
    require_digest(call.headers)
    wanted = read_input(call, await read_document(call))
    retention = _read_retention(wanted.get("Retention") or {}, time.time())
    bypass = wanted.get("BypassGovernanceRetention", False)
    await change_version(call, retention=retention, bypass_governance=bypass)
    return answer(call)


def _read_retention(wanted: dict[str, Any], now: float) -> Retention:
    if "EventHold" in wanted or "EventHoldDuration" in wanted:
        raise S3Error("NotImplemented", "Event holds are not implemented here.")
    if not wanted:
        return Retention()
    if "Mode" not in wanted or "RetainUntilDate" not in wanted:
        raise S3Error("MalformedXML")
    return Retention(mode=wanted["Mode"], until=check_until(wanted["RetainUntilDate"].timestamp(), now))


async def get_object_retention(call: Call) -> Reply:
    """Tell how long a version is retained."""
    require_configuration(await call.require_bucket())
    attributes = (await find_version(call)).attributes
    if not attributes.retention_mode:
        raise S3Error("NoSuchObjectLockConfiguration", extra={"Key": call.key})
    told = {"Mode": attributes.retention_mode, "RetainUntilDate": attributes.retain_until}
    return answer(call, {"Retention": told})


async def put_object_legal_hold(call: Call) -> Reply:
    """Put a version under legal hold, or release it."""
    require_configuration(await call.require_bucket())
    require_digest(call.headers)
    wanted = read_input(call, await read_document(call)).get("LegalHold") or {}
    if "Status" not in wanted:
        raise S3Error("MalformedXML")
    await change_version(call, legal_hold=wanted["Status"] == "ON")
    return answer(call)


async def get_object_legal_hold(call: Call) -> Reply:
    """Tell whether a version is under legal hold, if that was ever said."""
    require_configuration(await call.require_bucket())
    hold = (await find_version(call)).attributes.legal_hold
    if hold is None:
        raise S3Error("NoSuchObjectLockConfiguration", extra={"Key": call.key})
    return answer(call, {"LegalHold": {"Status": "ON" if hold else "OFF"}})
