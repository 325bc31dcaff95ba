"""How a site was brought into a cluster: kept in the home, so that nothing need be said twice. No secrets."""

from pathlib import Path

import msgspec

from continuum.model.errors import NotFoundError
from continuum.sites.documents import format_document, read_document
from continuum.sites.homes import Home
from continuum.sites.joining.joined import joined_folder
from continuum.sites.kubernetes.settings import SiteSettings


class JoinedCluster(msgspec.Struct, frozen=True, kw_only=True):
    """`kubeconfig` empty: whatever `$KUBECONFIG` names. `invitation` is the file that was used, if any."""

    context: str
    kubeconfig: str
    settings: SiteSettings
    invitation: str = ""


def note_cluster(home: Home, joined: JoinedCluster) -> None:
    """Keep how a site was brought into a cluster."""
    path = _file(home, joined.settings.name)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_suffix(".part")
    part.write_bytes(format_document(joined))
    part.rename(path)


def find_cluster(home: Home, site: str) -> JoinedCluster | None:
    """Return how a site was brought into a cluster from this home; None if it was not."""
    try:
        return read_document(_file(home, site), JoinedCluster)
    except NotFoundError:
        return None


def list_clusters(home: Home) -> tuple[JoinedCluster, ...]:
    """Return all sites that were brought into clusters from this home, by name."""
    folder = joined_folder(home, "x").parent
    found = (find_cluster(home, path.parent.name) for path in sorted(folder.glob("*/kubernetes.json")))
    return tuple(each for each in found if each is not None)


def forget_cluster(home: Home, site: str) -> None:
    """Forget it."""
    _file(home, site).unlink(missing_ok=True)


def _file(home: Home, site: str) -> Path:
    return joined_folder(home, site) / "kubernetes.json"
