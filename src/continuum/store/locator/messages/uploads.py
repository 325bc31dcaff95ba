"""Multipart uploads."""

import msgspec

from continuum.model.objects import Attributes


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """A multipart upload.

    Its parts go to one store, under the store's own upload id, until it is completed or aborted.
    """

    upload_id: str
    bucket: str
    key: str
    initiator: str
    created_at: float
    store: str
    physical_bucket: str
    physical_key: str
    store_upload_id: str
    headers: dict[str, str] = {}
    metadata: dict[str, str] = {}
    checksum_algorithm: str = ""
    checksum_type: str = ""
    encryption: bytes = b""
    attributes: Attributes = Attributes()


class CreateUpload(msgspec.Struct, frozen=True, kw_only=True):
    """Answer: `Upload`.

    The id is the caller's choice, unguessable. An upload outlives the session that began it.
    """

    session_id: str
    upload: Upload


class GetUpload(msgspec.Struct, frozen=True, kw_only=True):
    """Answer: `Upload`, or `NoSuchUploadError`."""

    bucket: str
    key: str
    upload_id: str


class AbortUpload(msgspec.Struct, frozen=True, kw_only=True):
    """Answer: `Empty`. The caller then aborts it at the store; if it cannot, the collector does."""

    session_id: str
    bucket: str
    key: str
    upload_id: str


class ListUploads(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a bucket's uploads by (key, upload id). Answer: `UploadPage`."""

    bucket: str
    prefix: str = ""
    delimiter: str = ""
    key_marker: str = ""
    upload_id_marker: str = ""
    max_uploads: int = 1000


class UploadPage(msgspec.Struct, frozen=True, kw_only=True):
    """`is_truncated` tells whether more follow after the two markers."""

    uploads: tuple[Upload, ...]
    common_prefixes: tuple[str, ...]
    is_truncated: bool = False
    next_key_marker: str = ""
    next_upload_id_marker: str = ""
