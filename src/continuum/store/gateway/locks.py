"""Object lock: a bucket's configuration, and the retention and legal hold that a write asks for.

A bucket with object lock keeps versions for good, neither can be taken back. What is asked for is
checked here, whether a version may be removed or its retention shortened is decided by the locator in the
transaction that would do it. Source: Amazon S3 User Guide, "Locking objects with Object Lock".
"""

from collections.abc import Mapping

import msgspec

from continuum.model.objects import Attributes, Bucket, Setting
from continuum.store.errors import S3Error
from continuum.store.gateway.inputs import parse_instant
from continuum.store.gateway.texts import format_iso8601

MODES = ("GOVERNANCE", "COMPLIANCE")
MODE_HEADER = "x-amz-object-lock-mode"
UNTIL_HEADER = "x-amz-object-lock-retain-until-date"
HOLD_HEADER = "x-amz-object-lock-legal-hold"
DAY_S = 24 * 3600.0
YEAR_DAYS = 365
MAX_DAYS = 36_500  # a hundred years, S3's own bound

NO_ATTRIBUTES = Attributes()

_HEADERS = frozenset({MODE_HEADER, UNTIL_HEADER, HOLD_HEADER})


class LockConfiguration(msgspec.Struct, frozen=True, kw_only=True):
    """What `Setting.OBJECT_LOCK` holds: the retention of versions that ask for none. `mode` empty: none.

    Either `days` or `years` is more than zero then, as the client said it.
    """

    mode: str = ""
    days: int = 0
    years: int = 0

    @property
    def duration_s(self) -> float:
        """How long a new version is retained."""
        return (self.days + self.years * YEAR_DAYS) * DAY_S


_decode = msgspec.json.Decoder(LockConfiguration).decode
encode_configuration = msgspec.json.Encoder().encode


def find_configuration(bucket: Bucket) -> LockConfiguration | None:
    """Return the bucket's configuration; None if it has no object lock."""
    document = bucket.settings.get(Setting.OBJECT_LOCK)
    return _decode(document) if document is not None else None


def require_configuration(bucket: Bucket) -> LockConfiguration:
    """Return the configuration of a bucket with object lock. Raises `S3Error` `InvalidRequest`."""
    configuration = find_configuration(bucket)
    if configuration is None:
        raise S3Error("InvalidRequest", "Bucket is missing Object Lock Configuration")
    return configuration


def is_lock_asked(headers: Mapping[str, str]) -> bool:
    """Whether a write asks for a retention or a legal hold."""
    return not _HEADERS.isdisjoint(headers)


def describe_lock(headers: Mapping[str, str], bucket: Bucket, now: float) -> Attributes:
    """Return the retention and the legal hold of a new version, nothing else.

    Raises `S3Error`: `InvalidRequest` if the bucket has no object lock, `InvalidArgument`.
    """
    if Setting.OBJECT_LOCK not in bucket.settings and not is_lock_asked(headers):
        return NO_ATTRIBUTES
    configuration = require_configuration(bucket)
    mode, until = _parse_retention(headers, now)
    if not mode and configuration.mode:
        mode, until = configuration.mode, now + configuration.duration_s
    return Attributes(retention_mode=mode, retain_until=until, legal_hold=_parse_hold(headers))


def format_lock(attributes: Attributes) -> dict[str, str]:
    """Return the headers that tell retention and legal hold."""
    headers: dict[str, str] = {}
    if attributes.retention_mode:
        headers[MODE_HEADER] = attributes.retention_mode
        headers[UNTIL_HEADER] = format_iso8601(attributes.retain_until)
    if attributes.legal_hold:
        headers[HOLD_HEADER] = "ON"
    return headers


def _parse_retention(headers: Mapping[str, str], now: float) -> tuple[str, float]:
    mode, until = headers.get(MODE_HEADER), headers.get(UNTIL_HEADER)
    if mode is None and until is None:
        return "", 0.0
    if mode is None or until is None:
        missing, given = (MODE_HEADER, UNTIL_HEADER) if mode is None else (UNTIL_HEADER, MODE_HEADER)
        raise _invalid(missing, f"{missing} must be given together with {given}")
    if mode not in MODES:
        raise _invalid(MODE_HEADER, "Unknown wormMode directive.")
    instant = parse_instant(until)
    if instant is None:
        raise _invalid(UNTIL_HEADER, f"{UNTIL_HEADER} must be a date in ISO 8601 form")
    return mode, check_until(instant.timestamp(), now)


def check_until(until: float, now: float) -> float:
    """Return the end of a retention that lies in the future. Raises `S3Error` `InvalidArgument`."""
    if until <= now:
        raise _invalid("RetainUntilDate", "The retain until date must be in the future!")
    return until


def _parse_hold(headers: Mapping[str, str]) -> bool | None:
    hold = headers.get(HOLD_HEADER)
    if hold is None:
        return None
    if hold not in {"ON", "OFF"}:
        raise _invalid(HOLD_HEADER, "Legal Hold must be either of 'ON' or 'OFF'")
    return hold == "ON"


def _invalid(name: str, message: str) -> S3Error:
    return S3Error("InvalidArgument", message, extra={"ArgumentName": name})
