"""Folders that were added as stores to an embedded continuum: each served by a process of its own.

HOME/stores/NAME/store.json      what it is
HOME/stores/NAME/settings.json   what its process is told, with its keys

They are started with the continuum, and at once when they are added while it is up.
"""

import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from continuum.model.errors import (
    ConflictError,
    ContinuumError,
    InvalidInputError,
    NotFoundError,
    UnavailableError,
)
from continuum.model.objects import Store
from continuum.security import LOOPBACK_NAMES, create_identity, write_private
from continuum.sites.documents import format_document, read_document
from continuum.sites.embedded.directories import plan_directory_process
from continuum.sites.embedded.listening import find_bind_host, find_peer_host
from continuum.sites.embedded.preparing import inherit_environment
from continuum.sites.embedded.seaweedfs import REGION, ensure_store_secrets
from continuum.sites.homes import Home
from continuum.sites.ports import choose_free_ports
from continuum.sites.supervision.controlling import (
    Command,
    ContinuumStatus,
    ProcessStatus,
    command,
    find_status,
)
from continuum.sites.supervision.plans import PlannedProcess
from continuum.store import DirectoryKeys, DirectorySettings, format_directory_settings

START_S = 40.0
_POLL_S = 0.1
_DESCRIPTION, _SETTINGS, _SECRETS = "store.json", "settings.json", "secrets.json"


class AddedDirectory(msgspec.Struct, frozen=True, kw_only=True):
    """A folder that was added as a store. `bucket` empty: only attached buckets."""

    name: str
    site: str
    folder: Path
    port: int
    bucket: str = ""
    capacity_bytes: int = 0

    @property
    def process(self) -> str:
        """The name of its process, and of its identity."""
        return f"directory.{self.name}"


def list_directories(home: Home) -> tuple[AddedDirectory, ...]:
    """Return the folders that were added to a home."""
    files = sorted((home.path / "stores").glob(f"*/{_DESCRIPTION}"))
    return tuple(read_document(file, AddedDirectory) for file in files)


def plan_directories(
    home: Home, added: tuple[AddedDirectory, ...], environment: Mapping[str, str]
) -> tuple[PlannedProcess, ...]:
    """Plan the processes of folders that were added."""
    return tuple(
        plan_directory_process(
            each.process,
            _folder(home, each.name) / _SETTINGS,
            home=home.path,
            python=Path(sys.executable),
            port=each.port,
            inherited=dict(environment),
        )
        for each in added
    )


def prepare_directories(
    home: Home, environment: Mapping[str, str], listen: Sequence[str] = ()
) -> tuple[PlannedProcess, ...]:
    """Plan the processes of all folders that were added, with identities that hold for `listen` too."""
    added = list_directories(home)
    for each in added:
        _write(home, each, listen)
    return plan_directories(home, added, environment)


def add_directory(
    home: Home, name: str, folder: Path, site: str, *, bucket: str = "", capacity_bytes: int = 0
) -> Store:
    """Serve a folder from now on, as long as the continuum is up; return it as gateways reach it.

    Raises `InvalidInputError`, `ConflictError`, `UnavailableError`; then it is not served.
    """
    path = folder.expanduser().absolute()
    sites = [each.name for each in home.continuum().sites]
    if site not in sites:
        raise InvalidInputError(f"there is no site {site!r}", hint=f"--site, one of {', '.join(sites)}")
    _check_folder(home, name, path)
    before = next((each for each in list_directories(home) if each.name == name), None)
    added = AddedDirectory(
        name=name,
        site=site,
        folder=path,
        port=before.port if before is not None else choose_free_ports(1)[0],
        bucket=bucket,
        capacity_bytes=capacity_bytes,
    )
    store = _write(home, added, home.continuum().listen)
    try:
        _start(home, added)
    except ContinuumError:
        if before is None:
            remove_directory(home, name)
        raise
    return store


def _check_folder(home: Home, name: str, path: Path) -> None:
    if not path.is_dir():
        raise InvalidInputError(f"there is no folder {path}", hint=f"make it first: mkdir {path}")
    others = {each.folder: each.name for each in list_directories(home) if each.name != name}
    if path in others:
        raise ConflictError(f"{path} is the store {others[path]} already")
    if path.is_relative_to(home.path) or home.path.is_relative_to(path):
        raise InvalidInputError(
            f"{path} and the home {home.path} hold each other", hint="choose another folder"
        )


def _write(home: Home, added: AddedDirectory, listen: Sequence[str]) -> Store:
    folder = _folder(home, added.name)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    secrets = ensure_store_secrets(folder / _SECRETS)
    identity = create_identity(home.path, added.process, "store", hosts=(*LOOPBACK_NAMES, *listen))
    settings = DirectorySettings(
        name=added.name,
        folder=added.folder,
        keys=(
            DirectoryKeys(
                access_key=secrets.peer_access_key, secret_key=secrets.peer_secret_key, may_manage=False
            ),
        ),
        listen_host=find_bind_host(listen),
        listen_port=added.port,
        tls_certificate_file=identity.certificate_file,
        tls_key_file=identity.key_file,
        bucket=added.bucket,
    )
    write_private(folder / _SETTINGS, format_directory_settings(settings))
    write_private(folder / _DESCRIPTION, format_document(added))
    return Store(
        name=added.name,
        site=added.site,
        endpoint=f"https://{find_peer_host(listen)}:{added.port}",
        region=REGION,
        bucket=added.bucket,
        access_key=secrets.peer_access_key,
        secret_key=secrets.peer_secret_key,
        ca_pem=home.ca_file.read_text(),
        capacity_bytes=added.capacity_bytes,
        is_added=True,
    )


def _start(home: Home, added: AddedDirectory) -> None:
    environment = inherit_environment(os.environ, home)
    (planned,) = plan_directories(home, (added,), environment)
    _ask(home, Command(begin=planned))
    deadline = time.monotonic() + START_S
    while True:
        process = _find(find_status(home), added.process)
        if process is not None and process.state == "ready":
            return
        failure = process.last_failure if process is not None else "is gone"
        if failure or time.monotonic() > deadline:
            raise UnavailableError(
                f"{added.folder} is not served: {added.process} {failure or 'did not get ready'}",
                hint=f"its log is {home.logs() / f'{added.process}.log'}",
            )
        time.sleep(_POLL_S)


def remove_directory(home: Home, name: str) -> bool:
    """Serve a folder no more; return whether it was served. Its files stay."""
    folder = _folder(home, name)
    if not (folder / _DESCRIPTION).exists():
        return False
    added = read_document(folder / _DESCRIPTION, AddedDirectory)
    if find_status(home).state != "down":
        _ask(home, Command(end=added.process))
    shutil.rmtree(folder)
    return True


def _ask(home: Home, wanted: Command) -> ContinuumStatus:
    status = command(home, wanted)
    if status is None:
        raise NotFoundError(f"nothing runs from {home.path}", hint="`continuum up` first")
    return status


def _find(status: ContinuumStatus, name: str) -> ProcessStatus | None:
    return next((each for each in status.processes if each.name == name), None)


def _folder(home: Home, name: str) -> Path:
    return home.path / "stores" / name
