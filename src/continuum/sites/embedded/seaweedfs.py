"""SeaweedFS as the store of an embedded site: one `weed server` with master, volume server, filer and S3.

It listens on loopback only, every port is given (eight, or the second server on a machine dies), and
telemetry is off. The site's own gateway talks to it over a unix socket; the gateways of other sites over TLS
on the S3 port, with keys that may read and write objects but not manage buckets. Writes to the volume server
and any access to the filer need tokens (JWT) that only the server itself can make.

Not protected: the internal gRPC ports on loopback are open to other users of this machine.
"""

import hashlib
from pathlib import Path

import msgspec

from continuum.sites.embedded.nats import SUITES
from continuum.sites.supervision.folders import MAX_SOCKET_NAME_BYTES

PORT_NAMES = ("master", "master-grpc", "volume", "volume-grpc", "filer", "filer-grpc", "s3", "s3-grpc")
REGION = "us-east-1"
BUCKET = "continuum"
# Volumes are files that grow to 1 GiB; they take no space before data comes. 1,000 of them hold 1 TB.
VOLUME_SIZE_MB = 1024
MAX_VOLUMES = 1000
MIN_FREE_SPACE = "256MiB"


class StoreSecrets(msgspec.Struct, frozen=True, kw_only=True):
    """The keys of one store: `site_*` may do all, `peer_*` objects only; `tokens` sign its inner requests."""

    site_access_key: str
    site_secret_key: str
    peer_access_key: str
    peer_secret_key: str
    tokens: tuple[str, str, str, str]

    def __repr__(self) -> str:
        return f"StoreSecrets(site_access_key={self.site_access_key!r})"


def format_identities(secrets: StoreSecrets) -> bytes:
    """Return the S3 configuration file (JSON): who may come with which keys and do what."""
    return msgspec.json.format(
        msgspec.json.encode(
            {
                "identities": [
                    _identity("site", secrets.site_access_key, secrets.site_secret_key, ("Admin",)),
                    _identity(
                        "peers",
                        secrets.peer_access_key,
                        secrets.peer_secret_key,
                        tuple(f"{action}:{BUCKET}" for action in ("Read", "Write", "List")),
                    ),
                ]
            }
        )
    )


def command(
    weed: Path,
    *,
    folder: Path,
    ports: dict[str, int],
    socket_folder: Path,
    name: str,
    identities_file: Path,
    certificate_file: Path,
    key_file: Path,
) -> tuple[str, ...]:
    """Return the command line of the server. `ports` has the names of `PORT_NAMES`."""
    return (
        str(weed),
        "-logtostderr=true",
        "server",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        f"-dir={folder}",
        "-filer",
        "-s3",
        *(f"-{_port_flag(port_name)}={ports[port_name]}" for port_name in PORT_NAMES),
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-master.telemetry=false",
        "-master.peers=none",  # alone: no election, which would make the volumes come 5 s late at times
        f"-master.volumeSizeLimitMB={VOLUME_SIZE_MB}",
        f"-volume.max={MAX_VOLUMES}",
        f"-volume.minFreeSpace={MIN_FREE_SPACE}",
        "-volume.preStopSeconds=0",
        f"-filer.localSocket={socket_path(socket_folder, name, 'filer')}",
        "-filer.exposeDirectoryData=false",
        "-filer.disableDirListing=true",
        f"-s3.localSocket={socket_path(socket_folder, name)}",
        f"-s3.config={identities_file}",
        f"-s3.cert.file={certificate_file}",
        f"-s3.key.file={key_file}",
        "-s3.iam=false",
        "-s3.autoCreateBucket=false",
        "-s3.allowDeleteBucketNotEmpty=false",
    )


def environment(secrets: StoreSecrets) -> dict[str, str]:
    """Return the settings that the server takes from its environment: TLS and the keys of its tokens."""
    signing, reading, filer_signing, filer_reading = secrets.tokens
    return {
        "WEED_TLS_MIN_VERSION": "TLS 1.2",
        "WEED_TLS_CIPHER_SUITES": ",".join(SUITES),
        "WEED_JWT_SIGNING_KEY": signing,
        "WEED_JWT_SIGNING_READ_KEY": reading,
        "WEED_JWT_FILER_SIGNING_KEY": filer_signing,
        "WEED_JWT_FILER_SIGNING_READ_KEY": filer_reading,
        "GOMEMLIMIT": "768MiB",
    }


def socket_path(socket_folder: Path, name: str, part: str = "s3") -> Path:
    """Return the unix socket on which the store `name` speaks S3 to its own site (or its filer to itself)."""
    stem = f"{name}.{part}"
    if len(stem) + len(".sock") > MAX_SOCKET_NAME_BYTES:
        stem = hashlib.sha256(stem.encode()).hexdigest()[:24]
    return socket_folder / f"{stem}.sock"


def _port_flag(port_name: str) -> str:
    part, _, suffix = port_name.partition("-")
    return f"{part}.port.grpc" if suffix else f"{part}.port"


def _identity(name: str, access_key: str, secret_key: str, actions: tuple[str, ...]) -> dict[str, object]:
    return {
        "name": name,
        "credentials": [{"accessKey": access_key, "secretKey": secret_key}],
        "actions": actions,
    }
