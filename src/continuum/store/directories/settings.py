"""What the server of a directory store is told when it starts: one JSON file, decoded strictly."""

from pathlib import Path

import msgspec

from continuum.model.errors import InvalidInputError
from continuum.store.gateway.settings import Limits, StoreKeys, decode_settings, is_loopback

MIN_FREE_BYTES = 64 * 1024 * 1024


class DirectoryKeys(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A pair of keys. `may_manage`: also make and remove buckets. The secret is in no repr."""

    access_key: str
    secret_key: str
    may_manage: bool = True

    def __repr__(self) -> str:
        return f"DirectoryKeys(access_key={self.access_key!r})"


class DirectorySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`folder` is the store: each folder in it is a bucket, each file below that an object.

    It is served on the unix `socket` (for the own machine, none if None) and on `listen_port` (0: any free
    one; None: none), there over TLS, or plainly on loopback if there is no certificate. `bucket` is made if
    it is missing. Writes are refused when less than `min_free_bytes` would be left on the disk. `threads`
    read, write and wait for the disk. `keys_file` (`StoreKeys`) has further keys, so that the settings need
    hold no secret.
    """

    name: str
    folder: Path
    keys: tuple[DirectoryKeys, ...] = ()
    keys_file: Path | None = None
    socket: Path | None = None
    listen_host: str = "127.0.0.1"
    listen_port: int | None = None
    tls_certificate_file: Path | None = None
    tls_key_file: Path | None = None
    bucket: str = ""
    min_free_bytes: int = MIN_FREE_BYTES
    threads: int = 16
    limits: Limits = Limits(header_bytes=64 * 1024, buffer_bytes=512 * 1024)

    @property
    def is_tls(self) -> bool:
        """Whether the port is served over TLS."""
        return self.tls_certificate_file is not None


def read_directory_settings(path: Path) -> DirectorySettings:
    """Read a settings file; whoever serves checks it. Raises `InvalidInputError` that names the field."""
    settings = decode_settings(path, DirectorySettings)
    if settings.keys_file is None:
        return settings
    found = decode_settings(settings.keys_file, StoreKeys)
    keys = (
        DirectoryKeys(access_key=found.site_access_key, secret_key=found.site_secret_key),
        DirectoryKeys(access_key=found.peer_access_key, secret_key=found.peer_secret_key, may_manage=False),
    )
    return msgspec.structs.replace(settings, keys=(*settings.keys, *keys))


def format_directory_settings(settings: DirectorySettings) -> bytes:
    """Return what `read_directory_settings` reads. It holds secrets: write it for nobody else to read."""
    return msgspec.json.format(msgspec.json.encode(settings, enc_hook=str))


def check(settings: DirectorySettings) -> None:
    """Refuse settings that contradict themselves or would show objects to the network."""
    if settings.socket is None and settings.listen_port is None:
        raise InvalidInputError("a directory store needs a socket or a port to be reached")
    if (settings.tls_certificate_file is None) != (settings.tls_key_file is None):
        raise InvalidInputError("a TLS listener needs tls_certificate_file and tls_key_file, both")
    if not settings.keys or not all(each.access_key and each.secret_key for each in settings.keys):
        raise InvalidInputError("a directory store needs keys")
    if settings.listen_port is not None and not settings.is_tls and not is_loopback(settings.listen_host):
        raise InvalidInputError(
            f"plain HTTP on {settings.listen_host} would show objects to the network",
            hint="listen on 127.0.0.1, or give a certificate and its key",
        )
