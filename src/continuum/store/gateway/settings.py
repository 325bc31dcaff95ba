"""What a gateway process is told when it starts: one JSON file, decoded strictly (unknown keys are errors).

Plain HTTP carries credentials' signatures and objects in the clear. It exists only for a gateway on
loopback in the development profile; `check` refuses everything else before a socket is opened.
"""

import ipaddress
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from continuum.backbone import BackboneSettings
from continuum.model.errors import InvalidInputError
from continuum.model.objects import Store, User
from continuum.model.policies import Policy
from continuum.model.policies.documents import BucketPolicy

PROFILES = ("development", "release")
_PIECE_BYTES = 64 * 1024
_MAX_BLOCK_BYTES = 16 * 1024 * 1024
_LEAST_BLOCKS = 16

Settings = TypeVar("Settings")


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds that keep one client from harming the others.

    `header_bytes`: the request line and all headers; S3 allows 8 KiB of headers, presigned requests may
    carry more in the line. `idle_s`: an open connection without a request is closed after this. `stall_s`:
    so is one that neither sends nor takes a byte of a request or reply for this long. `header_s`: a
    request's head must be complete after this (slow loris). `connections`: more are closed at once.
    `store_connections`: to one store; further requests wait for `store_wait_s`, then get 503. `xml_bytes`:
    a DeleteObjects of 1,000 keys of 1,024 bytes is 2 MiB of XML at most. `buffer_bytes`: how much of a body
    may wait in the gateway for a slow side, per connection and direction. `versions`: how many looked-up
    versions are remembered (about 1 KiB each). `scan_page`: how many objects a scan of a store takes at once.
    `learn_every_s`: how often it is asked which buckets accept writes while the hub is away, and (less
    often for large ones) what is in them.
    `journal_records`: how many changes may wait for the hub.
    """

    header_bytes: int = 32 * 1024
    idle_s: float = 75.0
    header_s: float = 20.0
    stall_s: float = 60.0
    connections: int = 4096
    store_connections: int = 256
    store_wait_s: float = 5.0
    store_connect_s: float = 3.0
    store_reply_s: float = 30.0
    xml_bytes: int = 4 * 1024 * 1024
    buffer_bytes: int = 128 * 1024
    versions: int = 50_000
    stop_s: float = 10.0
    collect_every_s: float = 3.0
    attend_every_s: float = 1.0
    learn_every_s: float = 5.0
    journal_records: int = 100_000
    scan_page: int = 500


class BlockSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The block cache: in `folder`, on a disk of this machine, `capacity_bytes` of files at most.

    `block_bytes`: what is fetched and kept in one piece; a read of one byte at another site costs so much.
    `idle_s`: a block that was not read for so long goes. `coincidence_s`: reads so soon after a fetch are of
    the same occasion, and not the second hit that a policy may ask for.
    """

    folder: Path
    capacity_bytes: int = 4 * 1024**3
    block_bytes: int = 1024 * 1024
    idle_s: float = 7 * 86_400.0
    coincidence_s: float = 60.0


class StoreKeys(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of a store, apart from its settings: of its site (`site_`, may manage buckets) and of other
    sites (`peer_`). `ca_pem` verifies it (empty: what stands in the settings does). Nothing is in a repr.
    """

    site_access_key: str
    site_secret_key: str
    peer_access_key: str
    peer_secret_key: str
    ca_pem: str = ""

    def __repr__(self) -> str:
        return "StoreKeys()"

    def own(self, store: Store) -> Store:
        """Return the store with the keys of its own site."""
        return msgspec.structs.replace(
            store,
            access_key=self.site_access_key,
            secret_key=self.site_secret_key,
            ca_pem=self.ca_pem or store.ca_pem,
        )

    def peer(self, store: Store) -> Store:
        """Return the store with the keys of other sites."""
        return msgspec.structs.replace(
            store,
            access_key=self.peer_access_key,
            secret_key=self.peer_secret_key,
            ca_pem=self.ca_pem or store.ca_pem,
        )


class GatewaySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything a gateway needs to know.

    `gateway` is its name in the locator's sessions and logs (`gateway.edge`). `own_store` is the store of the
    site as this gateway reaches it (`unix:/path` or a URL; its bucket is created if missing), `peer_store`
    the same store as gateways of other sites reach it (None: as this one does). Both have the same `name`.
    `store_keys_file` has the keys of both (`StoreKeys`), so that the settings need hold no secret; those that
    stand in the stores do not count then. `new_buckets` is the policy that buckets get which are created here
    (none: that of the continuum holds).
    `users` are let in besides those that the locator knows (Sky Store's one pair of keys). With
    `tls_certificate_file` and `tls_key_file` the gateway serves HTTPS. `processes` share the port; each has a
    session of its own. `domain`: buckets may be named as `<bucket>.<domain>` in Host. `master_keys_file`
    holds the keys that wrap those of encrypted objects, the same for all gateways of a continuum (None: the
    environment variable `CONTINUUM_STORE_MASTER_KEYS`; without either nothing can be encrypted but with
    customers' keys). `state_folder`, on a disk of this machine, is for what buckets with `disconnected:
    accept` need while the hub is away (None: nothing is accepted then). `blocks` (None: there is none) is the
    cache of what lies at other sites. At `health_port` (None: nowhere) of `health_host` the
    gateway says in plain HTTP how it is (`/live`, `/ready`).
    """

    site: str
    gateway: str
    listen_host: str = "127.0.0.1"
    listen_port: int
    tls_certificate_file: Path | None = None
    tls_key_file: Path | None = None
    profile: str = "development"
    backbone: BackboneSettings
    own_store: Store
    peer_store: Store | None = None
    store_keys_file: Path | None = None
    policy: Policy = Policy.WRITE_LOCAL
    new_buckets: BucketPolicy | None = None
    users: tuple[User, ...] = ()
    processes: int = 1
    region: str = "us-east-1"
    domain: str = ""
    master_keys_file: Path | None = None
    state_folder: Path | None = None
    blocks: BlockSettings | None = None
    health_port: int | None = None
    health_host: str = "127.0.0.1"
    limits: Limits = Limits()

    @property
    def is_tls(self) -> bool:
        """Whether the gateway serves HTTPS."""
        return self.tls_certificate_file is not None

    @property
    def url(self) -> str:
        """Where clients find the gateway."""
        host = f"[{self.listen_host}]" if ":" in self.listen_host else self.listen_host
        return f"{'https' if self.is_tls else 'http'}://{host}:{self.listen_port}"


def read_settings(path: Path) -> GatewaySettings:
    """Read and check a settings file. Raises `InvalidInputError` that names the field."""
    settings = decode_settings(path, GatewaySettings)
    if settings.store_keys_file is not None:
        settings = _take_keys(settings, decode_settings(settings.store_keys_file, StoreKeys))
    check(settings)
    return settings


def _take_keys(settings: GatewaySettings, keys: StoreKeys) -> GatewaySettings:
    peer = settings.peer_store
    return msgspec.structs.replace(
        settings, own_store=keys.own(settings.own_store), peer_store=peer and keys.peer(peer)
    )


def decode_settings(path: Path, kind: type[Settings]) -> Settings:
    """Read a settings file. Raises `InvalidInputError` that names the field."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind, dec_hook=_decode)
    except OSError as problem:
        raise InvalidInputError(f"cannot read the settings {path}: {problem.strerror}") from problem
    except (msgspec.DecodeError, msgspec.ValidationError) as problem:
        raise InvalidInputError(f"the settings {path} are wrong: {problem}") from problem


def format_settings(settings: GatewaySettings) -> bytes:
    """Return what `read_settings` reads. It holds secrets: write it for nobody else to read."""
    return msgspec.json.format(msgspec.json.encode(settings, enc_hook=str))


def _decode(kind: type, value: Any) -> Any:
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise NotImplementedError(f"{kind} in settings")


def check(settings: GatewaySettings) -> None:
    """Refuse settings that contradict themselves or would serve plain HTTP where it must not be."""
    if settings.profile not in PROFILES:
        raise InvalidInputError(f"there is no profile {settings.profile!r}", hint="development or release")
    if (settings.tls_certificate_file is None) != (settings.tls_key_file is None):
        raise InvalidInputError("a TLS listener needs tls_certificate_file and tls_key_file, both")
    if settings.processes < 1:
        raise InvalidInputError("processes must be 1 or more")
    if settings.peer_store is not None and settings.peer_store.name != settings.own_store.name:
        raise InvalidInputError("own_store and peer_store describe one store: give them the same name")
    if settings.blocks is not None:
        check_blocks(settings.blocks)
    if not settings.is_tls:
        _check_plain_http(settings)


def check_blocks(blocks: BlockSettings) -> None:
    """Refuse a block cache that cannot be. Raises `InvalidInputError`."""
    if blocks.block_bytes % _PIECE_BYTES or not _PIECE_BYTES <= blocks.block_bytes <= _MAX_BLOCK_BYTES:
        raise InvalidInputError(
            f"blocks of {blocks.block_bytes} bytes cannot be", hint="64 KiB to 16 MiB, in steps of 64 KiB"
        )
    if blocks.capacity_bytes < _LEAST_BLOCKS * blocks.block_bytes:
        raise InvalidInputError(
            f"a block cache of {blocks.capacity_bytes} bytes is too small",
            hint=f"{_LEAST_BLOCKS} blocks at least",
        )


def _check_plain_http(settings: GatewaySettings) -> None:
    if settings.profile == "release":
        raise InvalidInputError(
            "the release profile has no plain HTTP", hint="set tls_certificate_file and tls_key_file"
        )
    if not is_loopback(settings.listen_host):
        raise InvalidInputError(
            f"plain HTTP on {settings.listen_host} would show objects to the network",
            hint="listen on 127.0.0.1, or set tls_certificate_file and tls_key_file",
        )


def is_loopback(host: str) -> bool:
    """Whether `host` is an address (or the name) of this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
