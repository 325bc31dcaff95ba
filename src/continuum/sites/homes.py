"""The home: the one folder that holds the state of a continuum on this machine, and how to find things in it.

Everybody who takes part in an embedded continuum starts from its home: the command line, drivers of
workflows, tests. `continuum up` writes it; this module only reads. Default: `$CONTINUUM_HOME`, else
`~/.continuum`.
"""

import os
from pathlib import Path

import msgspec

from continuum.backbone import BackboneSettings
from continuum.model.errors import NotFoundError
from continuum.model.sites import Link, SiteCosts, SiteOffers
from continuum.security import IdentityFiles, identity_files
from continuum.sites.documents import format_document, read_document


class SiteAddress(msgspec.Struct, frozen=True, kw_only=True):
    """A site as a client on this machine reaches it. `kind` is a `SiteKind`."""

    name: str
    kind: str
    gateway_url: str
    computing_units: int


class Continuum(msgspec.Struct, frozen=True, kw_only=True):
    """A continuum as it was set up.

    `policy` says where gateways put objects; `profile` is `development` (plain HTTP gateways on loopback
    allowed) or `release`. `ports` are the internal ports that were chosen at the first `up`, by name
    (`backbone`, `store.edge.s3`). `stores` says of each site what its store is (`seaweedfs`, `directory`,
    `directory:/path`); one that is not there has SeaweedFS. `database` says where the URL of the PostgreSQL
    database is (empty: SQLite in the home), which `hubs` hubs share. `costs`, `offers` and `links` are
    what was declared. `listen` are the addresses (or names) at which other machines reach it; none: loopback
    only.
    """

    name: str
    hub_url: str
    backbone_url: str
    sites: tuple[SiteAddress, ...]
    profile: str
    policy: str = "write_local"
    ports: dict[str, int] = {}
    stores: dict[str, str] = {}
    database: str = ""
    hubs: int = 1
    costs: dict[str, SiteCosts] = {}
    offers: dict[str, SiteOffers] = {}
    links: tuple[Link, ...] = ()
    listen: tuple[str, ...] = ()


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """The keys of one user of the store. The secret never appears in a repr."""

    access_key: str
    secret_key: str

    def __repr__(self) -> str:
        return f"Credentials(access_key={self.access_key!r})"


class Home:
    """The state folder of a continuum."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path).expanduser().absolute()

    @classmethod
    def default(cls) -> "Home":
        """Return the home that `$CONTINUUM_HOME` names, else `~/.continuum`."""
        return cls(os.environ.get("CONTINUUM_HOME") or "~/.continuum")

    @property
    def ca_file(self) -> Path:
        """The authority's root certificate (PEM)."""
        return self.path / "ca" / "ca.pem"

    @property
    def continuum_file(self) -> Path:
        """Where `continuum up` describes what it set up."""
        return self.path / "continuum.json"

    @property
    def hub_settings_file(self) -> Path:
        """What the hub is told when it starts."""
        return self.path / "hub" / "settings.json"

    @property
    def deployed_hub_file(self) -> Path:
        """How the hub was brought into a cluster, if it was."""
        return self.path / "hub" / "cluster.json"

    @property
    def credentials_file(self) -> Path:
        """The keys of the person who uses this home (mode 0600)."""
        return self.path / "credentials.json"

    @property
    def master_keys_file(self) -> Path:
        """The keys that wrap those of encrypted objects (mode 0600), the same for all gateways."""
        return self.path / "store" / "master.keys"

    def note_database(self, reference: str) -> None:
        """Use another database from the next start on."""
        described = msgspec.structs.replace(self.continuum(), database=reference)
        part = self.continuum_file.with_suffix(".part")
        part.write_bytes(format_document(described))
        part.rename(self.continuum_file)

    def continuum(self) -> Continuum:
        """Return the description of the continuum; raises `NotFoundError` if it was never up."""
        return read_document(self.continuum_file, Continuum, hint="start one with `continuum up`")

    def credentials(self) -> tuple[str, str]:
        """Return access key and secret key of the person who uses this home."""
        credentials = read_document(
            self.credentials_file, Credentials, hint="start the continuum with `continuum up`"
        )
        return credentials.access_key, credentials.secret_key

    def identity(self, name: str) -> IdentityFiles:
        """Return where the files of identity `name` are."""
        return identity_files(self.path, name)

    @property
    def driver(self) -> str:
        """The identity that drives runs from here: the owner's, or in the home of another user that one's."""
        guests = sorted(file.name for file in (self.path / "identities").glob("driver*"))
        return guests[0] if guests and "driver" not in guests else "driver"

    def list_drivers(self) -> tuple[str, ...]:
        """Return the identities of users who drive runs besides the owner."""
        return tuple(sorted(file.name for file in (self.path / "identities").glob("driver.*")))

    def backbone_settings(self, identity: str) -> BackboneSettings:
        """Return how `identity` connects to the backbone."""
        files = self.identity(identity)
        if not files.key_file.exists():
            raise NotFoundError(
                f"there is no identity {identity} in {self.path}", hint="run `continuum up` first"
            )
        return BackboneSettings(
            url=self.continuum().backbone_url,
            name=identity,
            ca_file=files.ca_file,
            certificate_file=files.certificate_file,
            key_file=files.key_file,
        )

    def site_names(self) -> list[str]:
        """Return the names of all sites of the continuum: those set up here, then those invited."""
        joined = sorted(file.parent.name for file in (self.path / "joined").glob("*/site.json"))
        return [*(site.name for site in self.continuum().sites), *joined]

    def runs(self) -> Path:
        """Return the folder with one folder per run (its journal)."""
        return self.path / "runs"

    def logs(self) -> Path:
        """Return the folder with one log per process."""
        return self.path / "logs"

    def run_folder(self) -> Path:
        """Return the folder for what lives as long as the processes: sockets, the supervisor's pid."""
        return self.path / "run"

    def site_folder(self, site: str) -> Path:
        """Return the folder with the state of `site`."""
        return self.path / "sites" / site
