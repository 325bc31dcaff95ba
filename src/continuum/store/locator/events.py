"""Events as the world reads them: S3's own JSON, and the request that carries it to an URL.

Source: Amazon S3 User Guide, "Event message structure" (version 2.1 of it). Keys are encoded as in a form,
as S3 does. `sequencer` orders the events of one key: compare two of the same length as text.

Who is at an URL knows that a message is ours by its signature: `x-continuum-signature: t=SECONDS,v1=HEX`,
where HEX is the HMAC-SHA-256 of `SECONDS.BODY` under the target's secret. The instant is in it, so that a
message that was overheard cannot be sent again later.
"""

import hmac
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from urllib.parse import quote_plus

import msgspec

from continuum.store.locator.index.outbox import Waiting

SIGNATURE_HEADER = "x-continuum-signature"
EVENT_ID_HEADER = "x-continuum-event-id"


def format_instant(at: float) -> str:
    """Return an instant as S3 writes it: with milliseconds, in UTC."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def format_event(waiting: Waiting) -> bytes:
    """Return the message that tells of an event."""
    event, origin = waiting.event, waiting.event.origin
    told: dict[str, Any] = {"key": quote_plus(event.key, errors="surrogatepass")}
    if event.size_bytes >= 0:
        told |= {"size": event.size_bytes, "eTag": event.etag}
    if event.version_id:
        told["versionId"] = event.version_id
    told["sequencer"] = f"{waiting.number:018X}"
    record = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": event.region,
        "eventTime": format_instant(event.at),
        "eventName": event.name,
        "userIdentity": {"principalId": origin.user or event.bucket_owner},
        "requestParameters": {"sourceIPAddress": origin.address},
        "responseElements": {"x-amz-request-id": origin.request_id, "x-amz-id-2": ""},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": event.rule_id,
            "bucket": {
                "name": event.bucket,
                "ownerIdentity": {"principalId": event.bucket_owner},
                "arn": f"arn:aws:s3:::{event.bucket}",
            },
            "object": told,
        },
    }
    return msgspec.json.encode({"Records": [record]})


def format_test_event(bucket: str, at: float, request_id: str) -> bytes:
    """Return S3's message that only tries whether a target takes messages."""
    return msgspec.json.encode(
        {
            "Service": "Amazon S3",
            "Event": "s3:TestEvent",
            "Time": format_instant(at),
            "Bucket": bucket,
            "RequestId": request_id,
            "HostId": "",
        }
    )


def sign_message(secret: str, body: bytes, at: float) -> str:
    """Return the value of the signature's header."""
    second = str(int(at))
    digest = hmac.digest(secret.encode(), second.encode() + b"." + body, sha256)
    return f"t={second},v1={digest.hex()}"
