"""What a block belongs to, and which bytes it holds. Pure."""

import hashlib
import struct

import msgspec

from continuum.model.encryption import stored_size
from continuum.model.objects import Version


class Content(msgspec.Struct, frozen=True):
    """The stored bytes of one version, cut into blocks of `block_bytes` (the last may be shorter).

    `name` is a digest of what makes the bytes what they are: versions are immutable, an attached object that
    others replaced has another ETag. `number` is the same as a number, for locks.
    """

    name: str
    number: int
    stored_bytes: int
    block_bytes: int

    def find_block(self, position: int) -> int:
        """Return the block that holds a byte."""
        return position // self.block_bytes

    def start_of(self, block: int) -> int:
        """Return the position of a block's first byte."""
        return block * self.block_bytes

    def end_of(self, block: int) -> int:
        """Return the position after a block's last byte."""
        return min((block + 1) * self.block_bytes, self.stored_bytes)

    def size_of(self, block: int) -> int:
        """Return how many bytes a block holds."""
        return self.end_of(block) - self.start_of(block)


def describe_content(version: Version, block_bytes: int) -> Content:
    """Return the content of a version."""
    stored_bytes = stored_size(version)
    what = "\0".join((version.version_id, version.etag, str(stored_bytes), str(block_bytes)))
    digest = hashlib.sha256(what.encode()).digest()
    return Content(digest[:20].hex(), struct.unpack("<Q", digest[20:28])[0], stored_bytes, block_bytes)
