"""A plain folder as the store of a site: one small server of ours that speaks S3 over the files.

As with SeaweedFS the site's own gateway talks to it over a unix socket, gateways of other sites over TLS with
keys that may read and write objects but not manage buckets.
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from continuum.model.objects import Store
from continuum.security import IdentityFiles
from continuum.sites.embedded.listening import find_bind_host, find_peer_host
from continuum.sites.embedded.seaweedfs import REGION, PlannedStore, StoreSecrets, socket_path
from continuum.sites.supervision.plans import PlannedFile, PlannedProcess, ReadyLine
from continuum.store import DirectoryKeys, DirectorySettings, format_directory_settings

MIN_FREE_BYTES = 256 * 1024 * 1024  # what is left for the hub's and the sites' own files on the same disk
DIRECTORY_PORT_NAMES = ("s3",)


def plan_directory_store(
    *,
    name: str,
    site: str,
    bucket: str,
    root: Path,
    settings_file: Path,
    socket_folder: Path,
    home: Path,
    python: Path,
    port: int,
    secrets: StoreSecrets,
    identity: IdentityFiles,
    ca_pem: str,
    inherited: dict[str, str],
    listen: Sequence[str] = (),
) -> PlannedStore:
    """Plan the store `name` over the files in `root`. `listen`: where other machines reach it."""
    socket = socket_path(socket_folder, name)
    own = Store(
        name=name,
        site=site,
        endpoint=f"unix:{socket}",
        region=REGION,
        bucket=bucket,
        access_key=secrets.site_access_key,
        secret_key=secrets.site_secret_key,
    )
    settings = DirectorySettings(
        name=name,
        folder=root,
        keys=(
            DirectoryKeys(access_key=secrets.site_access_key, secret_key=secrets.site_secret_key),
            DirectoryKeys(
                access_key=secrets.peer_access_key, secret_key=secrets.peer_secret_key, may_manage=False
            ),
        ),
        socket=socket,
        listen_host=find_bind_host(listen),
        listen_port=port,
        tls_certificate_file=identity.certificate_file,
        tls_key_file=identity.key_file,
        bucket=bucket,
        min_free_bytes=MIN_FREE_BYTES,
    )
    return PlannedStore(
        process=plan_directory_process(
            name, settings_file, home=home, python=python, port=port, inherited=inherited
        ),
        file=PlannedFile(path=settings_file, data=format_directory_settings(settings)),
        own=own,
        peer=describe_peer(own, port=port, secrets=secrets, ca_pem=ca_pem, listen=listen),
    )


def plan_directory_process(
    name: str, settings_file: Path, *, home: Path, python: Path, port: int, inherited: dict[str, str]
) -> PlannedProcess:
    """Plan the process of a directory store whose settings are written."""
    return PlannedProcess(
        name=name,
        argv=(str(python), "-m", "continuum.store.directories", "--settings", str(settings_file)),
        environment=inherited,
        folder=home,
        probe=ReadyLine(),
        ports=(port,),
    )


def describe_peer(
    own: Store, *, port: int, secrets: StoreSecrets, ca_pem: str, listen: Sequence[str] = ()
) -> Store:
    """Return the store as other sites reach it."""
    return msgspec.structs.replace(
        own,
        endpoint=f"https://{find_peer_host(listen)}:{port}",
        access_key=secrets.peer_access_key,
        secret_key=secrets.peer_secret_key,
        ca_pem=ca_pem,
    )
