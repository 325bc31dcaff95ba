"""SeaweedFS as the store of an embedded site: one `weed server` with master, volume server, filer and S3.

It listens on loopback only, every port is given (eight, or the second server on a machine dies), and
telemetry is off. The site's own gateway talks to it over a unix socket; the gateways of other sites over TLS
on the S3 port, with keys that may read and write objects but not manage buckets. Writes to the volume server
and any access to the filer need tokens (JWT) that only the server itself can make.

Not protected: the internal gRPC ports on loopback are open to other users of this machine.
"""

import hashlib
import secrets as chance
from collections.abc import Sequence
from pathlib import Path

import msgspec

from continuum.model.objects import Store
from continuum.security import IdentityFiles, write_private
from continuum.sites.documents import format_document, read_document
from continuum.sites.embedded.listening import find_peer_host
from continuum.sites.embedded.nats import SUITES
from continuum.sites.supervision.folders import MAX_SOCKET_NAME_BYTES
from continuum.sites.supervision.plans import PlannedFile, PlannedProcess, ReadyStore

STORE_PORT_NAMES = ("master", "master-grpc", "volume", "volume-grpc", "filer", "filer-grpc", "s3", "s3-grpc")
OUTER = "outer"  # the port at which a relay takes calls of other machines for the S3 port
REGION = "us-east-1"
BUCKET = "continuum"
# Volumes are files that grow to 1 GiB; they take no space before data comes. 1,000 of them hold 1 TB.
VOLUME_SIZE_MB = 1024
MAX_VOLUMES = 1000
MIN_FREE_SPACE = "256MiB"
_FLAGS = (
    "-ip=127.0.0.1",
    "-ip.bind=127.0.0.1",
    "-filer",
    "-s3",
    "-s3.port.iceberg=0",
    "-s3.port.lance=0",
    "-master.telemetry=false",
    "-master.peers=none",  # alone: no election, which would make the volumes come 5 s late at times
    f"-master.volumeSizeLimitMB={VOLUME_SIZE_MB}",
    f"-volume.max={MAX_VOLUMES}",
    f"-volume.minFreeSpace={MIN_FREE_SPACE}",
    "-volume.preStopSeconds=0",
    "-filer.exposeDirectoryData=false",
    "-filer.disableDirListing=true",
    "-s3.iam=false",
    "-s3.autoCreateBucket=false",
    "-s3.allowDeleteBucketNotEmpty=false",
)


class StoreSecrets(msgspec.Struct, frozen=True, kw_only=True):
    """The keys of one store: `site_*` may do all, `peer_*` objects only; `tokens` sign its inner requests."""

    site_access_key: str
    site_secret_key: str
    peer_access_key: str
    peer_secret_key: str
    tokens: tuple[str, str, str, str]

    def __repr__(self) -> str:
        return f"StoreSecrets(site_access_key={self.site_access_key!r})"


def format_identities(secrets: StoreSecrets, bucket: str) -> bytes:
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
                        tuple(f"{action}:{bucket}" for action in ("Read", "Write", "List")),
                    ),
                ]
            }
        )
    )


def ensure_store_secrets(path: Path) -> StoreSecrets:
    """Return the secrets that `path` holds; new ones, written there, if there are none."""
    if path.exists():
        return read_document(path, StoreSecrets)
    made = StoreSecrets(
        site_access_key=chance.token_hex(10).upper(),
        site_secret_key=chance.token_urlsafe(30),
        peer_access_key=chance.token_hex(10).upper(),
        peer_secret_key=chance.token_urlsafe(30),
        tokens=(_token(), _token(), _token(), _token()),
    )
    write_private(path, format_document(made))
    return made


def _token() -> str:
    return chance.token_urlsafe(32)


class PlannedStore(msgspec.Struct, frozen=True, kw_only=True):
    """A store to be: its process, the file that process needs, and how it is reached.

    `own` is the store as its site reaches it, `peer` as other sites do.
    """

    process: PlannedProcess
    file: PlannedFile
    own: Store
    peer: Store


def plan_store(
    *,
    name: str,
    site: str,
    bucket: str,
    folder: Path,
    socket_folder: Path,
    weed: Path,
    ports: dict[str, int],
    secrets: StoreSecrets,
    identity: IdentityFiles,
    ca_pem: str,
    inherited: dict[str, str],
    listen: Sequence[str] = (),
) -> PlannedStore:
    """Plan the store `name` with its data below `folder`. `ports` has the names of `STORE_PORT_NAMES`.

    `listen`: where other machines reach it, through a relay on the port `outer`.
    """
    identities_file = folder / "store-identities.json"
    s3_socket = socket_path(socket_folder, name)
    own = Store(
        name=name,
        site=site,
        endpoint=f"unix:{s3_socket}",
        region=REGION,
        bucket=bucket,
        access_key=secrets.site_access_key,
        secret_key=secrets.site_secret_key,
    )
    flags = (
        f"-dir={folder / 'store'}",
        *(f"-{_port_flag(port_name)}={ports[port_name]}" for port_name in STORE_PORT_NAMES),
        f"-filer.localSocket={socket_path(socket_folder, name, 'filer')}",
        f"-s3.localSocket={s3_socket}",
        f"-s3.config={identities_file}",
        f"-s3.cert.file={identity.certificate_file}",
        f"-s3.key.file={identity.key_file}",
    )
    process = PlannedProcess(
        name=name,
        argv=(str(weed), "-logtostderr=true", "server", *_FLAGS, *flags),
        environment=inherited | environment(secrets),
        folder=folder,
        probe=ReadyStore(s3_socket, ports["master"]),
        # Its own shutdown waits 15 s for streams that it keeps open itself and only then stops its volumes,
        # which write every change through at once. The gateways are gone by now: nobody is kept waiting.
        stop_s=1.0,
        ports=(ports["s3"], *(port for key, port in ports.items() if key not in {"s3", OUTER})),
        needs_space=True,  # a volume that met a full disk stays read-only until its server starts again
    )
    return PlannedStore(
        process=process,
        file=PlannedFile(path=identities_file, data=format_identities(secrets, bucket)),
        own=own,
        peer=msgspec.structs.replace(
            own,
            endpoint=f"https://{find_peer_host(listen)}:{ports[OUTER if listen else 's3']}",
            access_key=secrets.peer_access_key,
            secret_key=secrets.peer_secret_key,
            ca_pem=ca_pem,
        ),
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
