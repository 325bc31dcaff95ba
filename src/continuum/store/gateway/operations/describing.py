"""GetObjectAttributes: what is known of a version, without its bytes."""

from typing import Any

from continuum.model.objects import Version
from continuum.store.errors import S3Error
from continuum.store.gateway.calls import Call
from continuum.store.gateway.checksums import unpack_digest
from continuum.store.gateway.opening import describe_encryption
from continuum.store.gateway.operations.answers import answer, read_input
from continuum.store.gateway.operations.finding import find_version
from continuum.store.gateway.replies import Reply

MAX_PARTS = 1000
_ATTRIBUTES = frozenset({"ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"})


async def get_object_attributes(call: Call) -> Reply:
    """Tell what the request asks for of a version.

    Parts are told with their sizes, and with their checksums if the upload had some.
    """
    wanted = read_input(call)
    asked = frozenset(wanted["ObjectAttributes"])
    if not asked <= _ATTRIBUTES or not asked:
        raise S3Error(
            "InvalidArgument",
            "Invalid attribute name specified.",
            extra={"ArgumentName": "x-amz-object-attributes"},
        )
    bucket = await call.require_bucket()
    version = await find_version(call)
    encryption = describe_encryption(version, call.headers, call.context.vault)
    output: dict[str, Any] = {"LastModified": version.modified_at}
    if bucket.versioning:
        output["VersionId"] = version.public_id
    told = _describe(version, wanted)
    reply = answer(call, output | {name: told[name] for name in told if name in asked})
    reply.headers.update(encryption)
    return reply


def _describe(version: Version, wanted: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {
        "ETag": version.etag,
        "StorageClass": "STANDARD",
        "ObjectSize": version.size_bytes,
    }
    if version.checksums:
        told["Checksum"] = {f"Checksum{name.upper()}": value for name, value in version.checksums.items()}
        told["Checksum"]["ChecksumType"] = version.checksum_type
    if version.part_sizes:
        told["ObjectParts"] = _page_parts(
            version, wanted.get("PartNumberMarker", 0), min(wanted.get("MaxParts", MAX_PARTS), MAX_PARTS)
        )
    return told


def _page_parts(version: Version, after: int, limit: int) -> dict[str, Any]:
    sizes = version.part_sizes[after : after + limit]
    last = after + len(sizes)
    return {
        "TotalPartsCount": len(version.part_sizes),
        "PartNumberMarker": after,
        "NextPartNumberMarker": last if sizes else 0,
        "MaxParts": limit,
        "IsTruncated": bool(sizes) and last < len(version.part_sizes),
        "Parts": [
            {"PartNumber": number, "Size": size, **_part_checksum(version, number - 1)}
            for number, size in enumerate(sizes, after + 1)
        ],
    }


def _part_checksum(version: Version, position: int) -> dict[str, str]:
    if not version.part_checksums:
        return {}
    algorithm = next(iter(version.checksums))
    return {f"Checksum{algorithm.upper()}": unpack_digest(version.part_checksums, algorithm, position)}
