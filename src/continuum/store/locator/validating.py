"""Bounds on what the locator accepts, so that no request costs or stores without limit.

S3's own limits where it has them; gateways check those too and answer with S3's codes. What arrives here is
refused as `InvalidInputError`.
"""

import re
from collections.abc import Mapping, Sized

from continuum.model.errors import InvalidInputError
from continuum.model.objects import MAX_KEY_BYTES, Role, Setting, Store, Version
from continuum.model.sites import parse_site_name
from continuum.store.locator.messages import ChangeObject, Upload

MAX_NAME_CHARACTERS = 256
MAX_PEM_CHARACTERS = 65_536
MAX_PAIRS_BYTES = 16_384  # headers and metadata together; S3 allows 8 KiB of headers
MAX_PARTS = 10_000
MAX_DIGEST_BYTES = 64
MAX_ITEMS = 10_000
MAX_DELETES = 1_000
MAX_CLAIM = 1000
MAX_SETTING_BYTES = 262_144
MAX_ACL_BYTES = 32_768
MAX_SIZE_BYTES = 2**53  # exact in every JSON reader

_USER_NAME = re.compile(r"[A-Za-z0-9_+=,.@-]{1,64}")
_SETTINGS = frozenset(Setting)


def check_key(key: str) -> None:
    """Refuse what cannot be a key: empty, longer than 1,024 bytes, or with NUL."""
    if not key:
        raise InvalidInputError("a key cannot be empty")
    check_marker(key)


def check_marker(text: str) -> None:
    """Refuse what cannot be a key, a prefix or a marker."""
    if len(text.encode()) > MAX_KEY_BYTES:
        raise InvalidInputError(f"a key has at most {MAX_KEY_BYTES} bytes in UTF-8")
    if "\0" in text:
        raise InvalidInputError("a key cannot hold the character NUL")


def check_name(text: str, what: str) -> None:
    """Refuse names, ids, tags that are empty, long or hold control characters."""
    if not text or len(text) > MAX_NAME_CHARACTERS or not text.isprintable():
        raise InvalidInputError(f"{what} is not 1 to {MAX_NAME_CHARACTERS} printable characters")


def check_user_name(text: str) -> None:
    """Refuse what cannot name a user: IAM's rules, so that policies can speak of them."""
    if not _USER_NAME.fullmatch(text):
        raise InvalidInputError(
            f"{text[:80]!r} cannot name a user", hint="1 to 64 of a-z A-Z 0-9 _ + = , . @ -"
        )


def check_count(items: Sized, what: str, limit: int = MAX_ITEMS) -> None:
    """Refuse more than `limit` items."""
    if len(items) > limit:
        raise InvalidInputError(f"{len(items)} {what} at once; at most {limit}")


def check_version(version: Version) -> None:
    """Refuse a version that is not well formed."""
    check_key(version.key)
    check_name(version.version_id, "a version id")
    check_name(version.etag, "an ETag")
    if not 0 <= version.size_bytes <= MAX_SIZE_BYTES:
        raise InvalidInputError("the size of a version is out of range")
    check_count(version.part_sizes, "parts", MAX_PARTS)
    if len(version.part_checksums) > MAX_DIGEST_BYTES * len(version.part_sizes):
        raise InvalidInputError("a version has more checksums of parts than parts")
    _check_pairs(version.headers, version.metadata, version.checksums)
    for replica in version.replicas:
        check_place(replica.store, replica.bucket, replica.key)


def check_upload(upload: Upload) -> None:
    """Refuse an upload that is not well formed."""
    check_key(upload.key)
    check_name(upload.upload_id, "an upload id")
    check_place(upload.store, upload.physical_bucket, upload.physical_key)
    if not upload.store_upload_id or len(upload.store_upload_id) > MAX_KEY_BYTES:
        raise InvalidInputError("the store's upload id is missing or too long")
    _check_pairs(upload.headers, upload.metadata)


def check_settings(settings: Mapping[str, bytes]) -> None:
    """Refuse settings that a bucket does not have, and documents without measure."""
    for name, document in settings.items():
        if name not in _SETTINGS:
            raise InvalidInputError(f"a bucket has no setting {name[:40]!r}")
        if len(document) > MAX_SETTING_BYTES:
            raise InvalidInputError(f"the {name} of a bucket is larger than {MAX_SETTING_BYTES} bytes")


def check_attributes(change: ChangeObject) -> None:
    """Refuse attributes that are not well formed or without measure."""
    _check_pairs(change.tags or {})
    if len(change.acl or b"") > MAX_ACL_BYTES:
        raise InvalidInputError(f"an access control list is larger than {MAX_ACL_BYTES} bytes")
    if change.retention is not None and change.retention.mode not in {"", "GOVERNANCE", "COMPLIANCE"}:
        raise InvalidInputError("a retention's mode is GOVERNANCE or COMPLIANCE")


def check_place(store: str, bucket: str, key: str) -> None:
    """Refuse what cannot be a place in a store."""
    check_name(store, "a store's name")
    check_name(bucket, "a physical bucket")
    check_key(key)


def check_store(site: str, store: Store) -> None:
    """Refuse a store that is not well formed or not of that site."""
    parse_site_name(site)
    if store.site != site:
        raise InvalidInputError(f"a gateway of {site!r} cannot speak for a store of {store.site!r}")
    for text, what in ((store.name, "a store's name"), (store.bucket, "a physical bucket")):
        check_name(text, what)
    if not store.endpoint.startswith(("https://", "http://", "unix:")) or len(store.endpoint) > MAX_KEY_BYTES:
        raise InvalidInputError("the store's endpoint is not a URL", hint="https://host:port")
    check_count(store.ca_pem, "characters of certificates", MAX_PEM_CHARACTERS)


def check_added_store(store: Store) -> None:
    """Refuse a store that is not well formed or cannot be reached from other sites' gateways."""
    parse_site_name(store.site)
    check_name(store.name, "a store's name")
    check_name(store.region, "a region")
    if store.bucket:
        check_name(store.bucket, "a physical bucket")
    if not store.endpoint.startswith(("https://", "http://")) or len(store.endpoint) > MAX_KEY_BYTES:
        raise InvalidInputError("the store's endpoint is not a URL", hint="https://host[:port]")
    if store.addressing not in {"path", "virtual"}:
        raise InvalidInputError(f"there is no addressing {store.addressing!r}", hint="path or virtual")
    if not store.is_added or store.capacity_bytes < 0 or not store.access_key or not store.secret_key:
        raise InvalidInputError("the store has no keys, or a capacity below zero")
    check_count(store.ca_pem, "characters of certificates", MAX_PEM_CHARACTERS)


def parse_role(text: str) -> Role:
    """Return the role of this name."""
    try:
        return Role(text)
    except ValueError as problem:
        raise InvalidInputError(f"{text!r} is no role", hint="one of " + ", ".join(Role)) from problem


def _check_pairs(*mappings: Mapping[str, str]) -> None:
    size = sum(len(name) + len(value) for mapping in mappings for name, value in mapping.items())
    if size > MAX_PAIRS_BYTES:
        raise InvalidInputError(f"headers and metadata of more than {MAX_PAIRS_BYTES} bytes")
