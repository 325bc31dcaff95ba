"""A bucket of S3 as S3 describes it, in memory: keys, their versions and delete markers, tags and conditions.

Pure and simple on purpose: what the gateways answer is compared with it. Ids of versions are chosen by the
gateways and told to the model.
"""

import hashlib
from dataclasses import dataclass, field, replace
from itertools import groupby

NULL = "null"


@dataclass(frozen=True)
class Version:
    """A version, or a delete marker (no body)."""

    version_id: str
    body: bytes | None
    etag: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def is_marker(self) -> bool:
        return self.body is None


class BucketModel:
    """One bucket. `versions` are each key's, the newest last."""

    def __init__(self) -> None:
        self.versioning = ""
        self.versions: dict[str, list[Version]] = {}

    # ---- asking ----

    def current(self, key: str) -> Version | None:
        """Return what a plain GET returns; None if there is nothing, or a marker on top."""
        found = self.versions.get(key)
        return found[-1] if found and not found[-1].is_marker else None

    def find(self, key: str, version_id: str) -> Version | None:
        """Return a version by its id, a marker too."""
        return next((v for v in self.versions.get(key, []) if v.version_id == version_id), None)

    def keys(self, prefix: str = "") -> list[str]:
        """Return the keys that a list shows, in S3's order."""
        keys = [key for key in self.versions if self.current(key) and key.startswith(prefix)]
        return sorted(keys, key=str.encode)

    def entries(self, prefix: str, delimiter: str) -> list[tuple[str, bool]]:
        """Return what a list with a delimiter shows: keys, and common prefixes (True), each once."""

        def entry(key: str) -> tuple[str, bool]:
            at = key.find(delimiter, len(prefix)) if delimiter else -1
            return (key, False) if at < 0 else (key[: at + len(delimiter)], True)

        return [shown for shown, _ in groupby(entry(key) for key in self.keys(prefix))]

    def history(self) -> list[tuple[str, str, bool, bool]]:
        """Return what a list of versions shows: key, id, whether it is a marker, whether the latest."""
        return [
            (key, version.version_id, version.is_marker, version is found[-1])
            for key, found in sorted(self.versions.items(), key=lambda item: item[0].encode())
            for version in reversed(found)
        ]

    def refuses(self, key: str, *, if_match: str = "", if_none_match: bool = False) -> str:
        """Return the code by which a conditional write is refused; '' if it is not."""
        now = self.current(key)
        if if_none_match and now:
            return "PreconditionFailed"
        if if_match and now is None:
            return "NoSuchKey"
        return "PreconditionFailed" if if_match and now and now.etag != if_match else ""

    # ---- changing ----

    def put(self, key: str, version: Version) -> None:
        """A new version on top; one that is `null` replaces the one before."""
        found = self.versions.setdefault(key, [])
        if version.version_id == NULL:
            found[:] = [old for old in found if old.version_id != NULL]
        found.append(version)

    def delete(self, key: str, marker_id: str) -> None:
        """A deletion without an id: a marker where versions are or were kept."""
        if self.versioning:
            self.put(key, Version(marker_id, None))
        else:
            self.versions.pop(key, None)

    def delete_version(self, key: str, version_id: str) -> None:
        """A deletion for good."""
        self.versions[key] = [v for v in self.versions.get(key, []) if v.version_id != version_id]
        if not self.versions[key]:
            del self.versions[key]

    def tag(self, key: str, version_id: str, tags: dict[str, str]) -> None:
        """Other tags for a version."""
        found = self.versions[key]
        found[:] = [replace(v, tags=tags) if v.version_id == version_id else v for v in found]


def etag_of(body: bytes) -> str:
    """Return the ETag of an object that came in one piece."""
    return f'"{hashlib.md5(body).hexdigest()}"'
