"""deploy/kubernetes as files: a base and overlays, written from the plans. Pure.

The base has the objects that `edge` and `cloud` share, each overlay the others whole, so that there are no
patches of ours; `hub` is all its own. Every version of kustomize reads it: overlays name their base under
`bases`, since the one in kubectl 1.20 takes only files as `resources`, and those of today take both. Names,
addresses and the image are those of an example; who applies it by hand changes them by a kustomization of
their own.
"""

from collections.abc import Sequence

from continuum import __version__
from continuum.sites.kubernetes.hubs import HubPlace, plan_hub
from continuum.sites.kubernetes.manifests import plan_site
from continuum.sites.kubernetes.settings import MIB, ClaimStorage, Manifest, Overlay, SiteSettings
from continuum.sites.kubernetes.texts import format_manifest, format_manifests

MADE = "# Made by `make docs` from the code; do not edit.\n"
FILES = {
    "Namespace": "namespaces",
    "ServiceAccount": "rights",
    "Role": "rights",
    "RoleBinding": "rights",
    "ConfigMap": "settings",
    "PersistentVolumeClaim": "storage",
    "NetworkPolicy": "network",
    "PodDisruptionBudget": "disruption",
}


def example_site(overlay: Overlay) -> SiteSettings:
    """Return the settings of the example: a site `lab`, whose hub is `hub.example.org`."""
    return SiteSettings(
        name="lab",
        overlay=overlay,
        image=f"localhost/continuum:{__version__}",
        backbone_url="tls://hub.example.org:4222",
        computing_units=1,
        memory_bytes=512 * MIB,
        workers="" if overlay is Overlay.EDGE else "0-4",
    )


def example_hub() -> HubPlace:
    """Return the settings of the hub of the example, with SQLite on a claim."""
    return HubPlace(
        continuum="lab",
        address="hub.example.org",
        image=f"localhost/continuum:{__version__}",
        storage=ClaimStorage(),
    )


def plan_files() -> dict[str, str]:
    """Return the files of deploy/kubernetes, by their path in it."""
    plans = {overlay: plan_site(example_site(overlay)) for overlay in Overlay}
    shared = [each for each in plans[Overlay.EDGE] if all(each in plan for plan in plans.values())]
    files = _folder("base", shared, ())
    for overlay, plan in plans.items():
        own = [each for each in plan if each not in shared]
        files |= _folder(f"overlays/{overlay}", own, ("../../base",))
    return files | _folder("overlays/hub", plan_hub(example_hub()), ())


def _folder(folder: str, manifests: Sequence[Manifest], beneath: Sequence[str]) -> dict[str, str]:
    groups: dict[str, list[Manifest]] = {}
    for each in manifests:
        groups.setdefault(_file_of(each), []).append(each)
    kustomization: Manifest = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        **({"bases": list(beneath)} if beneath else {}),
        "resources": list(groups),
    }
    texts = {name: format_manifests(group) for name, group in groups.items()}
    texts["kustomization.yaml"] = format_manifest(kustomization)
    return {f"{folder}/{name}": MADE + text for name, text in texts.items()}


def _file_of(manifest: Manifest) -> str:
    return f"{FILES.get(manifest['kind'], manifest['metadata']['name'])}.yaml"
