"""How a site was brought into a cluster: kept in the home, so that nothing need be said twice. No secrets."""

from pathlib import Path

import msgspec

from continuum.model.errors import NotFoundError
from continuum.model.sites import SiteKind
from continuum.security import write_private
from continuum.sites.documents import format_document, read_document
from continuum.sites.homes import Home, SiteAddress
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
    _note_address(home, joined.settings)


def _note_address(home: Home, settings: SiteSettings) -> None:
    """Let drivers of the home of a hub in a cluster find the gateways that are reached from outside."""
    if not home.deployed_hub_file.exists():
        return
    outside = settings.outside
    own = (
        ()
        if outside is None
        else (
            SiteAddress(
                name=settings.name,
                kind=SiteKind.KUBERNETES,
                gateway_url=f"https://{outside.host}:{outside.gateway_port}",
                computing_units=settings.computing_units,
            ),
        )
    )
    _replace_address(home, settings.name, own)


def _replace_address(home: Home, site: str, own: tuple[SiteAddress, ...]) -> None:
    continuum = home.continuum()
    others = tuple(each for each in continuum.sites if each.name != site)
    changed = msgspec.structs.replace(continuum, sites=(*others, *own))
    write_private(home.continuum_file, format_document(changed))


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
    if home.deployed_hub_file.exists():
        _replace_address(home, site, ())
    _file(home, site).unlink(missing_ok=True)


def _file(home: Home, site: str) -> Path:
    return joined_folder(home, site) / "kubernetes.json"
