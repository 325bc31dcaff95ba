"""What a hub is told when it starts: one JSON file, decoded strictly (unknown keys are errors).

It stands here, beside the homes, because those who set up a continuum on a machine write it; the hub reads
it.
"""

import os
from pathlib import Path

import msgspec

from continuum.backbone import BackboneSettings
from continuum.model.errors import InvalidInputError
from continuum.model.objects import Role
from continuum.model.sites import Link
from continuum.security import IdentityFiles, is_private
from continuum.sites.documents import read_document


class UserFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A user whom the hub makes sure of at its start, and where it writes the user's keys (mode 0600)."""

    name: str
    role: Role
    file: Path


class HubSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything a hub needs to know.

    `database` is the SQLite file of the locator, `runs_database` that of the list of runs. Or `database_url`
    says where the URL of a PostgreSQL database is, which several hubs may share: `file:PATH` (for nobody else
    to read) or `env:NAME`; never the URL itself, for it has a password in it. `key_file` seals the secrets in
    the database; hubs that share one have the same. `grace_s` is how long replaced bytes stay in their
    stores: as long as between two backups, if a backup is to be restored without missing any. `links` are the
    networks between sites as configured; the hub does not measure them. The API listens on
    `listen_host:listen_port` with the TLS certificate of `identity`; clients come with a certificate of the
    same authority or with the keys of an admin. `rights_file` says which users may use which sites (None,
    or no file: none but the owner).
    """

    name: str
    identity: IdentityFiles
    backbone: BackboneSettings
    database: Path
    key_file: Path
    runs_database: Path
    database_url: str = ""
    grace_s: float = 60.0
    listen_host: str = "127.0.0.1"
    listen_port: int = 3000
    users: tuple[UserFile, ...] = ()
    links: tuple[Link, ...] = ()
    rights_file: Path | None = None


def find_database_urls(settings: HubSettings) -> tuple[str, str]:
    """Return the URLs of the locator's database and that of runs. Raises `InvalidInputError`."""
    if not settings.database_url:
        return f"sqlite:///{settings.database}", f"sqlite:///{settings.runs_database}"
    url = resolve_url(settings.database_url)
    return url, url.replace("postgresql://", "postgresql+psycopg://", 1)


def resolve_url(reference: str) -> str:
    """Return the URL that a reference points at. Raises `InvalidInputError`; the URL is in no message."""
    kind, _, name = reference.partition(":")
    if kind == "file" and name:
        url = _read_url(Path(name).expanduser())
    elif kind == "env" and name:
        url = os.environ.get(name, "").strip()
    else:
        raise InvalidInputError(
            "a database is named by reference, never by its URL", hint="file:PATH or env:NAME"
        )
    if not url.startswith("postgresql://"):
        raise InvalidInputError(
            f"{reference} holds no URL of a PostgreSQL database", hint="postgresql://USER:PASSWORD@HOST/NAME"
        )
    return url


def _read_url(path: Path) -> str:
    try:
        if not is_private(path.stat()):
            raise InvalidInputError(f"others may read {path}", hint=f"chmod 600 {path}")
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError) as problem:
        raise InvalidInputError(f"{path} cannot be read: {problem}") from problem


def read_hub_settings(path: Path) -> HubSettings:
    """Read a settings file. Raises `InvalidInputError` that names the field."""
    return read_document(path, HubSettings)
