"""Object lock: a bucket's configuration, and the retention and legal hold that a write asks for.

A bucket has object lock from its creation on or never; it then keeps versions for good. What is asked for is
checked here, whether a version may be removed or its retention shortened is decided by the locator in the
transaction that would do it. Source: Amazon S3 User Guide, "Locking objects with Object Lock".
"""

from collections.abc import Mapping

import msgspec

from continuum.model.objects import Attributes, Bucket, Setting
from continuum.store.errors import S3Error
from continuum.store.gateway.inputs import parse_instant

MODES = ("GOVERNANCE", "COMPLIANCE")
MODE_HEADER = "x-amz-object-lock-mode"
UNTIL_HEADER = "x-amz-object-lock-retain-until-date"
HOLD_HEADER = "x-amz-object-lock-legal-hold"
DAY_S = 24 * 3600.0
YEAR_DAYS = 365
MAX_DAYS = 36_500  # a hundred years, S3's own bound

_HEADERS = (MODE_HEADER, UNTIL_HEADER, HOLD_HEADER)


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


def is_lock_asked(headers: Mapping[str, str]) -> bool:
    """Whether a write asks for a retention or a legal hold."""
    return any(name in headers for name in _HEADERS)


def describe_lock(headers: Mapping[str, str], bucket: Bucket, now: float) -> Attributes:
    """Return the retention and the legal hold of a new version, nothing else.

    Raises `S3Error`: `InvalidRequest` if the bucket has no object lock, `InvalidArgument`.
    """
    configuration = find_configuration(bucket)
    if configuration is None:
        if is_lock_asked(headers):
            raise S3Error("InvalidRequest", "Bucket is missing Object Lock Configuration")
        return Attributes()
    mode, until = _parse_retention(headers, now)
    if not mode and configuration.mode:
        mode, until = configuration.mode, now + configuration.duration_s
    return Attributes(retention_mode=mode, retain_until=until, legal_hold=_parse_hold(headers))


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


def _parse_hold(headers: Mapping[str, str]) -> bool:
    hold = headers.get(HOLD_HEADER, "OFF")
    if hold not in {"ON", "OFF"}:
        raise _invalid(HOLD_HEADER, "Legal Hold must be either of 'ON' or 'OFF'")
    return hold == "ON"


def _invalid(name: str, message: str) -> S3Error:
    return S3Error("InvalidArgument", message, extra={"ArgumentName": name})
