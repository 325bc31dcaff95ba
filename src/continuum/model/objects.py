"""Buckets, versions of objects and their replicas: what the locator keeps and the gateways serve.

A version is immutable. Its bytes lie in one or more replicas, each under a physical key of its own, so that
an overwrite never touches old bytes and a cached copy can never be stale. Instants are seconds since the
epoch, UTC.
"""

import ipaddress
import re
from enum import StrEnum

import msgspec

from continuum.model.errors import InvalidInputError
from continuum.model.sites import Reach

MAX_KEY_BYTES = 1024
NULL_VERSION = "null"  # S3's name for the version of a key that was written without versioning
BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


class Role(StrEnum):
    """What a user of the store may do: an admin everything, a member what concerns the buckets they own."""

    ADMIN = "admin"
    MEMBER = "member"


class User(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody with keys to the store. `secret_key` never appears in a repr, a log or an error.

    Temporary keys have the hash of the session token that must come with them, an end, and maybe a
    `session_policy`, a document that narrows what they may do.
    """

    name: str
    access_key: str
    secret_key: str
    role: Role = Role.MEMBER
    created_at: float = 0.0
    session_policy: bytes = b""
    token_sha256: str = ""
    expires_at: float = 0.0

    @property
    def is_temporary(self) -> bool:
        """Whether the keys are temporary, so that a session token belongs to them."""
        return bool(self.token_sha256)

    @property
    def is_anonymous(self) -> bool:
        """Whether this is nobody: a request without a signature."""
        return not self.name

    def __repr__(self) -> str:
        return f"User(name={self.name!r}, access_key={self.access_key!r}, role={self.role.value!r})"


ANONYMOUS = User(name="", access_key="", secret_key="")
"""Who sends a request without a signature."""


class Store(msgspec.Struct, frozen=True, kw_only=True):
    """An S3 object store that belongs to a site, as another site reaches it.

    `endpoint` is `https://host:port`, `http://host:port` or, for the own site only, `unix:/path/of.sock`.
    `bucket` is the physical bucket that holds what the platform writes there (empty: nothing is written but
    to attached buckets). `ca_pem` verifies an https endpoint (empty: the machine's trust store). Keys give
    least privilege: peers may read and write objects, not manage buckets. `addressing` says where requests
    name the bucket: `path` (`host/bucket/key`) or `virtual` (`bucket.host/key`). `is_added`: by configuration
    (`continuum store add`), not by a gateway that speaks for it; the gateways of its `site` then look after
    it, and all gateways reach it at `endpoint`. `capacity_bytes` 0: not limited.
    `reach` says who can connect to the endpoint: with `site` only gateways of its site try to, the others
    have its objects brought to them.
    """

    name: str
    site: str
    endpoint: str
    region: str
    bucket: str
    access_key: str
    secret_key: str
    ca_pem: str = ""
    addressing: str = "path"
    capacity_bytes: int = 0
    is_added: bool = False
    reach: Reach = Reach.ANY

    def is_open_to(self, site: str) -> bool:
        """Whether gateways of `site` can connect to it."""
        return self.reach is Reach.ANY or self.site == site

    def __repr__(self) -> str:
        where = f"endpoint={self.endpoint!r}, bucket={self.bucket!r}"
        return f"Store(name={self.name!r}, site={self.site!r}, {where})"


class Versioning(StrEnum):
    """Whether a bucket keeps replaced and deleted versions. Once enabled it can be suspended, never unset."""

    UNSET = ""
    ENABLED = "Enabled"
    SUSPENDED = "Suspended"


class Setting(StrEnum):
    """What can be set for a bucket, by S3's own words but for the last two. Each value is one document whose
    form is the gateway's business."""

    ACL = "acl"
    CORS = "cors"
    ENCRYPTION = "encryption"
    LIFECYCLE = "lifecycle"
    NOTIFICATION = "notification"
    OBJECT_LOCK = "object-lock"
    OWNERSHIP = "ownershipControls"
    POLICY = "policy"
    PUBLIC_ACCESS_BLOCK = "publicAccessBlock"
    TAGGING = "tagging"
    PLACEMENT = "placement"
    ATTACHMENT = "attachment"


class Bucket(msgspec.Struct, frozen=True, kw_only=True):
    """A bucket of the one name space. `home` is the site through which it was created.

    `settings` maps a `Setting` to its document; what is not set is not there.
    """

    name: str
    owner: str
    home: str
    created_at: float
    versioning: Versioning = Versioning.UNSET
    settings: dict[str, bytes] = {}


class Replica(msgspec.Struct, frozen=True, kw_only=True):
    """One copy of one version, in one store.

    `etag` not empty: it lies in an attached bucket under the object's own name, where others may change it;
    whoever reads it demands that the store's ETag is still this one. It is never collected. `expires_at` is
    when a copy that a read left may go (0: it is kept).
    """

    store: str
    bucket: str
    key: str
    created_at: float
    etag: str = ""
    expires_at: float = 0.0


class Attributes(msgspec.Struct, frozen=True, kw_only=True):
    """What may change about a version after it was published, and is not its bytes.

    `acl` is a document of the gateway (empty: private). `retention_mode` is `GOVERNANCE` or `COMPLIANCE`
    until `retain_until`, or empty. `legal_hold` is None until somebody sets it, on or off.
    """

    tags: dict[str, str] = {}
    acl: bytes = b""
    retention_mode: str = ""
    retain_until: float = 0.0
    legal_hold: bool | None = None


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """One version of an object; all but its attributes and replicas is immutable.

    `etag` is without quotes. `headers` are the content headers that S3 gives back as they came (Content-Type,
    Cache-Control, Content-Disposition, Content-Encoding, Content-Language, Expires), lower-case names.
    `metadata` are the `x-amz-meta-` pairs without the prefix. `checksums` maps an algorithm in S3's header
    spelling (`crc32`, `crc32c`, `crc64nvme`, `sha1`, `sha256`) to its base64 value. `checksum_type` is
    `FULL_OBJECT` or `COMPOSITE`. `part_sizes` is empty unless the object came in parts. `owner` is who wrote
    it. `is_null`: it was written while the bucket kept no versions, and S3 calls it `null`; the locator
    decides. `part_checksums` are those of the parts one after the other, raw bytes, of the algorithm of
    `checksums`; empty if some are not known. `encryption` is a document of the gateway about how the bytes in
    the stores are encrypted; `size_bytes`, `part_sizes` and `etag` are those of the plain bytes.
    `is_described` false: headers and metadata are yet to be asked of the store (objects of attached buckets).
    A delete marker has no bytes and no replicas.
    """

    bucket: str
    key: str
    version_id: str
    etag: str
    size_bytes: int
    modified_at: float
    headers: dict[str, str] = {}
    metadata: dict[str, str] = {}
    checksums: dict[str, str] = {}
    checksum_type: str = ""
    part_sizes: tuple[int, ...] = ()
    part_checksums: bytes = b""
    replicas: tuple[Replica, ...] = ()
    owner: str = ""
    is_null: bool = True
    is_delete_marker: bool = False
    encryption: bytes = b""
    attributes: Attributes = Attributes()
    is_described: bool = True

    @property
    def public_id(self) -> str:
        """The version id that clients see."""
        return NULL_VERSION if self.is_null else self.version_id


def parse_bucket_name(text: str) -> str:
    """Return `text` if S3 allows it as the name of a new bucket, else raise `InvalidInputError`.

    Source: Amazon S3 User Guide, "General purpose bucket naming rules".
    """
    if not BUCKET_NAME.fullmatch(text) or ".." in text or _is_ip_address(text):
        raise InvalidInputError(
            f"{text!r} cannot name a bucket",
            hint="use 3 to 63 lower-case letters, digits, dots and dashes; not an IP address",
        )
    if text.startswith(("xn--", "sthree-", "amzn-s3-demo-")) or text.endswith(
        ("-s3alias", "--ol-s3", ".mrap", "--x-s3")
    ):
        raise InvalidInputError(f"{text!r} uses a prefix or suffix that S3 reserves")
    return text


def _is_ip_address(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True
