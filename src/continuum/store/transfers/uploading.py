"""An object under way in parts: which are there, and whether they make what the source has.

Pure but for being changed as parts arrive. The MD5s of the parts make the ETag that S3 gives the whole; their
CRC-64s are combined into that of the whole, which the source may have named.
"""

import hashlib
import re
from collections.abc import Mapping

from awscrt import checksums as crt

from continuum.model.transfers import Part, is_md5, plan_parts
from continuum.store.transfers.ends import Described
from continuum.store.transfers.journals import OpenUpload
from continuum.store.transfers.streaming import Carried, CorruptedError

_COMPOSITE = re.compile(r"[0-9a-f]{32}-([0-9]+)")


class Upload:
    """`missing` are the parts still to be sent, `etags` those of the parts in place."""

    def __init__(self, described: Described, upload_id: str, part_bytes: int) -> None:
        self.described = described
        self.upload_id = upload_id
        self.parts = plan_parts(described.line.size_bytes, part_bytes)
        self.etags: dict[int, str] = {}
        self.has_failed = False
        self._md5s: dict[int, str] = {}
        self._crcs: dict[int, int] = {}

    @classmethod
    def resumed(
        cls, described: Described, known: OpenUpload, there: Mapping[int, tuple[str, int]], *, listed: bool
    ) -> "Upload":
        """Go on with an upload: parts that are `there` with the right length are not sent again.

        Where the target cannot list parts (`listed` false), the journal alone tells.
        """
        upload = cls(described, known.upload_id, known.part_bytes)
        for part in upload.parts:
            etag, size_bytes = there.get(part.number, ("", -1))
            md5, crc64 = known.parts.get(part.number, ("", None))
            if not listed and md5:
                etag, size_bytes = md5, part.length
            if size_bytes == part.length and (not md5 or not is_md5(etag) or etag == md5):
                upload._take(part, etag, md5 or etag, crc64)
        return upload

    @property
    def missing(self) -> list[Part]:
        """The parts that are still to be sent."""
        return [part for part in self.parts if part.number not in self.etags]

    @property
    def is_whole(self) -> bool:
        """Whether all parts are there."""
        return len(self.etags) == len(self.parts)

    @property
    def present_bytes(self) -> int:
        """How much is there."""
        return sum(part.length for part in self.parts if part.number in self.etags)

    def take(self, part: Part, etag: str, carried: Carried | None) -> None:
        """A part is in place; `carried` is None if the store copied it by itself."""
        if carried is None:
            self._take(part, etag, "", None)
        else:
            self._take(part, etag or carried.md5, carried.md5, carried.crc64)

    def _take(self, part: Part, etag: str, md5: str, crc64: int | None) -> None:
        self.etags[part.number] = etag
        if md5:
            self._md5s[part.number] = md5
        if crc64 is not None:
            self._crcs[part.number] = crc64

    def check_source(self) -> None:
        """Raise `CorruptedError` if the parts do not make what the source says it has; known only if every
        part's CRC and the source's is."""
        expected = self.described.crc64
        if expected is None or len(self._crcs) != len(self.parts):
            return
        whole = 0
        for part in self.parts:
            whole = crt.combine_crc64nvme(whole, self._crcs[part.number], part.length)
        if whole != expected:
            raise CorruptedError("the bytes that the source gave do not have the checksum that it names")

    def check_target(self, etag: str) -> None:
        """Raise `CorruptedError` if the target's ETag is made of parts and not of those that were sent."""
        found = _COMPOSITE.fullmatch(etag)
        if found is None or int(found[1]) != len(self.parts) or self._md5s != self.etags:
            return
        joined = b"".join(bytes.fromhex(self._md5s[part.number]) for part in self.parts)
        if etag.partition("-")[0] != hashlib.md5(joined, usedforsecurity=False).hexdigest():
            raise CorruptedError("the target has other parts than were sent")
