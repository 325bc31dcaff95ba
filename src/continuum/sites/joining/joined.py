"""Which sites elsewhere were invited to a home: they are let in again whenever it is up.

HOME/joined/NAME/site.json          that it was invited, and as what
HOME/joined/NAME/credentials.json   the keys of the store's user agent.NAME
HOME/joined/NAME/store-keys.json    the keys of the site's own store
"""

from contextlib import suppress
from pathlib import Path

import msgspec

from continuum.model.sites import SiteKind
from continuum.security import write_private
from continuum.sites.documents import format_document, read_document
from continuum.sites.homes import Home

CREDENTIALS, STORE_KEYS = "credentials.json", "store-keys.json"
_DESCRIPTION = "site.json"
WARN_S = 30 * 86_400.0


class JoinedSite(msgspec.Struct, frozen=True, kw_only=True):
    """A site elsewhere that may take part. Its certificates end at `ends_at` (seconds since the epoch)."""

    name: str
    kind: SiteKind
    invited_at: float
    ends_at: float
    has_master_keys: bool = True

    def is_due(self, now: float) -> bool:
        """Whether its certificates end within 30 days, or within a third of a life shorter than 90."""
        return self.ends_at - now < min(WARN_S, (self.ends_at - self.invited_at) / 3)


def list_joined(home: Home) -> tuple[JoinedSite, ...]:
    """Return the sites that were invited, in the order of their names."""
    files = sorted((home.path / "joined").glob(f"*/{_DESCRIPTION}"))
    return tuple(read_document(file, JoinedSite) for file in files)


def joined_folder(home: Home, name: str) -> Path:
    """Return the folder with what is known of a site that was invited."""
    return home.path / "joined" / name


def note_joined(home: Home, joined: JoinedSite) -> None:
    """Remember that a site was invited."""
    write_private(joined_folder(home, joined.name) / _DESCRIPTION, format_document(joined))


def forget_joined(home: Home, name: str) -> None:
    """Forget that a site was invited, and its keys. What others keep of it stays: it may still run."""
    folder = joined_folder(home, name)
    for file in (CREDENTIALS, STORE_KEYS, _DESCRIPTION):
        (folder / file).unlink(missing_ok=True)
    with suppress(OSError):  # others keep something there
        folder.rmdir()
