"""Lists of objects: pages of the locator's index in the order of the keys' UTF-8 bytes."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any

from continuum.store.errors import S3Error
from continuum.store.gateway.calls import Call
from continuum.store.gateway.operations.answers import answer, read_input
from continuum.store.gateway.replies import Reply
from continuum.store.gateway.wire import encode_key
from continuum.store.locator.messages import ListObjects, ObjectEntry, ObjectPage

MAX_KEYS = 1000


async def list_objects(call: Call) -> Reply:
    """The first form of the list, which goes on after a marker."""
    wanted = read_input(call)
    page = await _page(call, wanted, wanted.get("Marker", ""))
    write = choose_writer(wanted)
    output = _output(call, wanted, page)
    output["Marker"] = write(wanted.get("Marker", ""))
    if page.next_after and wanted.get("Delimiter"):
        output["NextMarker"] = write(page.next_after)
    await _add_owners(call, output, page)
    return answer(call, output)


async def list_objects_v2(call: Call) -> Reply:
    """The second form of the list, which goes on with an opaque token."""
    wanted = read_input(call)
    token = wanted.get("ContinuationToken")
    page = await _page(call, wanted, _open_token(token) if token else wanted.get("StartAfter", ""))
    output = _output(call, wanted, page)
    output["KeyCount"] = len(page.entries) + len(page.common_prefixes)
    if token:
        output["ContinuationToken"] = token
    if "StartAfter" in wanted:
        output["StartAfter"] = choose_writer(wanted)(wanted["StartAfter"])
    if page.next_after:
        output["NextContinuationToken"] = _make_token(page.next_after)
    if wanted.get("FetchOwner"):
        await _add_owners(call, output, page)
    return answer(call, output)


async def _add_owners(call: Call, output: dict[str, Any], page: ObjectPage) -> None:
    """Say who wrote each object; of those from before that was kept, the bucket's owner."""
    bucket = await call.context.locations.get_bucket(call.bucket)
    for line, entry in zip(output["Contents"], page.entries, strict=True):
        line["Owner"] = describe_owner(entry.owner or bucket.owner)


def describe_owner(name: str) -> dict[str, str]:
    """Return an `Owner` or `Initiator`."""
    return {"ID": name, "DisplayName": name}


async def _page(call: Call, wanted: dict[str, Any], after: str) -> ObjectPage:
    await call.require_access()
    max_keys = min(wanted.get("MaxKeys", MAX_KEYS), MAX_KEYS)
    if not max_keys:
        await call.require_bucket()
        return ObjectPage(entries=(), common_prefixes=())
    page: ObjectPage = await call.context.locations.ask(
        ListObjects(
            bucket=call.bucket,
            prefix=wanted.get("Prefix", ""),
            delimiter=wanted.get("Delimiter", ""),
            after=after,
            max_keys=max_keys,
        )
    )
    return page


def _output(call: Call, wanted: dict[str, Any], page: ObjectPage) -> dict[str, Any]:
    """What both forms have in common."""
    write = choose_writer(wanted)
    output: dict[str, Any] = {
        "Name": call.bucket,
        "MaxKeys": min(wanted.get("MaxKeys", MAX_KEYS), MAX_KEYS),
        "IsTruncated": bool(page.next_after),
        "Contents": [_entry(entry, write) for entry in page.entries],
    }
    return output | tell_prefixes(wanted, page.common_prefixes)


def tell_prefixes(wanted: dict[str, Any], common_prefixes: Sequence[str]) -> dict[str, Any]:
    """Return what lists of all kinds say of prefixes, and how they and keys are encoded."""
    write = choose_writer(wanted)
    output: dict[str, Any] = {
        "Prefix": write(wanted.get("Prefix", "")),
        "CommonPrefixes": [{"Prefix": write(prefix)} for prefix in common_prefixes],
    }
    output |= {name: wanted[name] for name in ("Delimiter", "EncodingType") if wanted.get(name)}
    if "Delimiter" in output:
        output["Delimiter"] = write(output["Delimiter"])
    return output


def choose_writer(wanted: dict[str, Any]) -> Callable[[str], str]:
    """Return what writes keys as the request wants them encoded."""
    return encode_key if wanted.get("EncodingType") == "url" else str


def _entry(entry: ObjectEntry, write: Callable[[str], str]) -> dict[str, Any]:
    line = {
        "Key": write(entry.key),
        "LastModified": entry.modified_at,
        "ETag": f'"{entry.etag}"',
        "Size": entry.size_bytes,
        "StorageClass": "STANDARD",
    }
    if entry.checksum_algorithm:
        line["ChecksumAlgorithm"] = [entry.checksum_algorithm]
        line["ChecksumType"] = entry.checksum_type
    return line


def _make_token(after: str) -> str:
    return base64.urlsafe_b64encode(after.encode("utf-8", "surrogatepass")).decode()


def _open_token(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token.encode()).decode("utf-8", "surrogatepass")
    except (binascii.Error, UnicodeError, ValueError):
        raise S3Error("InvalidArgument", "The continuation token provided is incorrect") from None
