"""What a hub is told when it starts: one JSON file, decoded strictly (unknown keys are errors).

It stands here, beside the homes, because those who set up a continuum on a machine write it; the hub reads
it.
"""

from pathlib import Path

import msgspec

from continuum.backbone import BackboneSettings
from continuum.model.objects import Role
from continuum.model.sites import Link
from continuum.security import IdentityFiles
from continuum.sites.documents import read_document


class UserFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A user whom the hub makes sure of at its start, and where it writes the user's keys (mode 0600)."""

    name: str
    role: Role
    file: Path


class HubSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything a hub needs to know.

    `database` is the SQLite file of the locator, `key_file` seals the secrets in it. `runs` is the folder
    with the journals of runs. `links` are the networks between sites as configured; the hub does not measure
    them. The API listens on `listen_host:listen_port` with the TLS certificate of `identity`; clients come
    with a certificate of the same authority or with the keys of an admin.
    """

    name: str
    identity: IdentityFiles
    backbone: BackboneSettings
    database: Path
    key_file: Path
    runs_database: Path
    listen_host: str = "127.0.0.1"
    listen_port: int = 3000
    users: tuple[UserFile, ...] = ()
    links: tuple[Link, ...] = ()


def read_hub_settings(path: Path) -> HubSettings:
    """Read a settings file. Raises `InvalidInputError` that names the field."""
    return read_document(path, HubSettings)
