"""Buckets that were attached where they are: which physical bucket holds their objects."""

import msgspec

DEFAULT_RESCAN_S = 3600.0


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """What a bucket of the name space is attached to: all of `bucket` in `store` that begins with `prefix`.

    An object's own name in the store is `prefix` and its key. `rescan_every_s` 0: only when asked.
    `is_detaching`: nothing is written to the bucket any more.
    """

    store: str
    bucket: str
    prefix: str = ""
    rescan_every_s: float = DEFAULT_RESCAN_S
    attached_at: float = 0.0
    is_detaching: bool = False

    def own_name(self, key: str) -> str:
        """The name in the store of the object `key`."""
        return self.prefix + key


def read_attachment(document: bytes | None) -> Attachment | None:
    """Return what a bucket's setting says; None for a bucket that is not attached."""
    return msgspec.json.decode(document, type=Attachment) if document else None


def write_attachment(attachment: Attachment) -> bytes:
    """Return the setting that says so."""
    return msgspec.json.encode(attachment)
