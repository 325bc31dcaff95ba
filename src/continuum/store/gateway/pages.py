"""The long lists of replies, written the short way: entries of ListObjects, ListObjectsV2 and
ListObjectVersions.

A page has up to 1,000 entries of a few known members, so each is one formatted string instead of a walk over
the model, which takes a third of the time. Members beyond those that every entry has, and entries that lack
one, go the general way.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from continuum.store.gateway.texts import escape_text, format_iso8601

Writer = Callable[[Any], str]

_OBJECT = frozenset(
    {"Key", "LastModified", "ETag", "Size", "StorageClass", "ChecksumAlgorithm", "ChecksumType"}
)
_VERSION = _OBJECT | {"VersionId", "IsLatest"}


def objects_writer(members: Mapping[str, Writer]) -> Writer:
    """Return what writes `Contents`; `members` are the general writers of an entry's members."""
    return _entries_writer("Contents", _object_text, _OBJECT, members)


def versions_writer(members: Mapping[str, Writer]) -> Writer:
    """Return what writes `Version` entries; `members` as for objects.

    An entry with `IsDeleteMarker` is one: S3 has both in one list, in the order of history, though its model
    knows two.
    """
    write_versions = _entries_writer("Version", _version_text, _VERSION, members)

    def write(entry: Mapping[str, Any]) -> str:
        if "IsDeleteMarker" not in entry:
            return write_versions((entry,))
        return f"<DeleteMarker>{_members_text(entry, members)}</DeleteMarker>"

    return lambda entries: "".join([write(entry) for entry in entries])


def _entries_writer(
    element: str, text: Writer, known: frozenset[str], members: Mapping[str, Writer]
) -> Writer:
    start, end = f"<{element}>", f"</{element}>"
    rest = {member: write for member, write in members.items() if member not in known}

    def write(entry: Mapping[str, Any]) -> str:
        try:
            short = text(entry)
        except (KeyError, TypeError):  # a member is missing or None
            return f"{start}{_members_text(entry, members)}{end}"
        return f"{start}{short}{'' if known >= entry.keys() else _members_text(entry, rest)}{end}"

    def write_all(entries: Iterable[Mapping[str, Any]]) -> str:
        return "".join([write(entry) for entry in entries])

    return write_all


def _members_text(entry: Mapping[str, Any], writers: Mapping[str, Writer]) -> str:
    return "".join([write(entry[m]) for m, write in writers.items() if entry.get(m) is not None])


def _object_text(entry: Mapping[str, Any]) -> str:
    at = entry["LastModified"]
    return (
        f"<Key>{escape_text(entry['Key'])}</Key>"
        f"<LastModified>{format_iso8601(at.timestamp() if isinstance(at, datetime) else at)}</LastModified>"
        f"<ETag>{escape_text(entry['ETag'])}</ETag><Size>{entry['Size']:d}</Size>"
        f"<StorageClass>{entry['StorageClass']}</StorageClass>{_checksum_text(entry)}"
    )


def _checksum_text(entry: Mapping[str, Any]) -> str:
    algorithms, kind = entry.get("ChecksumAlgorithm"), entry.get("ChecksumType")
    if not algorithms and not kind:
        return ""
    texts = [f"<ChecksumAlgorithm>{name}</ChecksumAlgorithm>" for name in algorithms or ()]
    return f"{''.join(texts)}<ChecksumType>{kind}</ChecksumType>" if kind else "".join(texts)


def _version_text(entry: Mapping[str, Any]) -> str:
    return (
        f"{_object_text(entry)}<VersionId>{escape_text(entry['VersionId'])}</VersionId>"
        f"<IsLatest>{'true' if entry['IsLatest'] else 'false'}</IsLatest>"
    )
