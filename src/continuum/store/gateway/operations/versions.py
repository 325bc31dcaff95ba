"""ListObjectVersions: all versions and delete markers, by key and then the newest first."""

from collections.abc import Callable
from typing import Any

from continuum.store.errors import S3Error
from continuum.store.gateway.calls import Call
from continuum.store.gateway.operations.answers import answer, read_input
from continuum.store.gateway.operations.finding import parse_version_id
from continuum.store.gateway.operations.listing import MAX_KEYS, choose_writer, describe_owner, tell_prefixes
from continuum.store.gateway.replies import Reply
from continuum.store.locator.messages import ListVersions, VersionEntry, VersionPage


async def list_object_versions(call: Call) -> Reply:
    """A page of a bucket's history."""
    wanted = read_input(call)
    bucket = await call.require_bucket()
    key_marker, version_id_marker = _read_markers(wanted)
    limit = min(wanted.get("MaxKeys", MAX_KEYS), MAX_KEYS)
    page = VersionPage(entries=(), common_prefixes=())
    if limit:
        page = await call.context.locations.ask(
            ListVersions(
                bucket=call.bucket,
                prefix=wanted.get("Prefix", ""),
                delimiter=wanted.get("Delimiter", ""),
                key_marker=key_marker,
                version_id_marker=version_id_marker,
                max_keys=limit,
            )
        )
    write = choose_writer(wanted)
    output: dict[str, Any] = {
        "Name": call.bucket,
        "KeyMarker": write(key_marker),
        "VersionIdMarker": version_id_marker,
        "MaxKeys": limit,
        "IsTruncated": page.is_truncated,
        "Versions": [_entry(entry, write, bucket.owner) for entry in page.entries],
        **tell_prefixes(wanted, page.common_prefixes),
    }
    if page.is_truncated:
        output["NextKeyMarker"] = write(page.next_key_marker)
        output["NextVersionIdMarker"] = page.next_version_id_marker or None
    return answer(call, output)


def _read_markers(wanted: dict[str, Any]) -> tuple[str, str]:
    key_marker: str = wanted.get("KeyMarker", "")
    version_id_marker: str = wanted.get("VersionIdMarker", "")
    if version_id_marker and not key_marker:
        raise S3Error("InvalidArgument", "A version-id marker cannot be specified without a key marker.")
    if version_id_marker:
        parse_version_id(version_id_marker, "version-id-marker")
    return key_marker, version_id_marker


def _entry(entry: VersionEntry, write: Callable[[str], str], bucket_owner: str) -> dict[str, Any]:
    line: dict[str, Any] = {
        "Key": write(entry.key),
        "VersionId": entry.version_id,
        "IsLatest": entry.is_latest,
        "LastModified": entry.modified_at,
        "Owner": describe_owner(entry.owner or bucket_owner),
    }
    if entry.is_delete_marker:
        return line | {"IsDeleteMarker": True}
    line |= {"ETag": f'"{entry.etag}"', "Size": entry.size_bytes, "StorageClass": "STANDARD"}
    if entry.checksum_algorithm:
        line |= {"ChecksumAlgorithm": [entry.checksum_algorithm], "ChecksumType": entry.checksum_type}
    return line
