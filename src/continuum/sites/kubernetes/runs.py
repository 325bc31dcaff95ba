"""The objects of a run whose program itself is a pod: a Job, and a Secret that it owns. Pure.

The Job is made first and owns the Secret, so that whoever deletes it deletes all, be it the cluster some time
after its end; until the Secret is there the pod waits for it. Nothing is done again when the pod is lost: the
run's journal was in it. Workers are no part of this: the site's agent makes and removes them with the run.
"""

import base64
from collections.abc import Mapping
from typing import Any

import msgspec

from continuum.model.errors import InvalidInputError
from continuum.model.pools import Volume
from continuum.sites.kubernetes.objects import label, make_object
from continuum.sites.kubernetes.pods import (
    CONTAINER_SECURITY,
    SECRET_MODE,
    format_resources,
    make_pod,
    scratch_volume,
)
from continuum.sites.kubernetes.settings import (
    COMPONENT_LABEL,
    MIB,
    RUN_LABEL,
    SITE_LABEL,
    Manifest,
    Resources,
    SiteSettings,
)
from continuum.sites.kubernetes.workers import check_image

DRIVER = "driver"
MODULE = "continuum.cli.runcompss_k8s.inside"
ORDER_PATH = "/etc/continuum/run"
STATE_PATH = "/var/lib/continuum"
RUN_ID = "continuum/run-id"
GRACE_S = 60  # to end the run, and to put its journal into the store
KEEP_S = 86_400  # what has ended stays so long for who attaches again; the driver's identity ends then, too
MOST_SENT_BYTES = 700_000  # of what a Secret may hold, 1 MiB, with room for keys and names
OVERHEAD_BYTES = 192 * MIB  # what a driver takes beside the program's own


class RunSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A driver to be. `run_id` has at most 59 characters, as names of objects take them. `image` empty: the
    site's. `memory_bytes` is for the program itself.
    """

    run_id: str
    site: SiteSettings
    image: str = ""
    units: int = 1
    memory_bytes: int = 512 * MIB
    volumes: tuple[Volume, ...] = ()

    @property
    def name(self) -> str:
        """The name of Job and Secret."""
        return name_of_job(self.run_id)


def name_of_job(run_id: str) -> str:
    """Return what the Job of a run is called."""
    return f"run-{run_id}"


def selector_of_drivers(site: str, run_id: str = "") -> str:
    """Return the selector of the driver of a run, or of all of a site."""
    chosen = f"{SITE_LABEL}={site},{COMPONENT_LABEL}={DRIVER}"
    return f"{chosen},{RUN_LABEL}={run_id}" if run_id else chosen


def plan_run(settings: RunSettings) -> Manifest:
    """Return the Job of the driver."""
    labels = label(settings.site.name, DRIVER) | {RUN_LABEL: settings.run_id}
    mounts = [
        {"name": "order", "mountPath": ORDER_PATH, "readOnly": True},
        {"name": "state", "mountPath": STATE_PATH},
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 -- of the pod alone
        *(_mount(place, each) for place, each in enumerate(settings.volumes)),
    ]
    memory_bytes = settings.memory_bytes + OVERHEAD_BYTES
    container: Manifest = {
        "name": DRIVER,
        "image": check_image(settings.image) if settings.image else settings.site.image,
        "imagePullPolicy": settings.site.pull_policy,
        "command": ["python3", "-m", MODULE, ORDER_PATH, STATE_PATH],
        "env": [{"name": "PYTHONUNBUFFERED", "value": "1"}, {"name": "HOME", "value": STATE_PATH}],
        "resources": format_resources(
            Resources(cpu_millis=100, memory_bytes=memory_bytes // 2, limit_bytes=memory_bytes)
            if settings.units <= 1
            else Resources(
                cpu_millis=1000 * settings.units, memory_bytes=memory_bytes, limit_bytes=memory_bytes
            )
        ),
        "securityContext": CONTAINER_SECURITY,
        "volumeMounts": mounts,
    }
    volumes: list[Manifest] = [
        {"name": "order", "secret": {"secretName": settings.name, "defaultMode": SECRET_MODE}},
        scratch_volume("state"),
        scratch_volume("tmp"),
        *(_volume(place, each) for place, each in enumerate(settings.volumes)),
    ]
    pod = make_pod(settings.site, container, volumes, grace_s=GRACE_S) | {"restartPolicy": "Never"}
    job = make_object("batch/v1", "Job", settings.name, settings.site.runs, labels)
    job["metadata"]["annotations"] = {RUN_ID: settings.run_id}
    job["spec"] = {
        "backoffLimit": 0,
        "ttlSecondsAfterFinished": KEEP_S,
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    return job


def plan_order(settings: RunSettings, files: Mapping[str, bytes], job_uid: str) -> Manifest:
    """Return the Secret with all that the driver is given. Raises `InvalidInputError` if that is too much."""
    size_bytes = sum(map(len, files.values()))
    if size_bytes > MOST_SENT_BYTES:
        raise InvalidInputError(
            f"program and files are {size_bytes / 1e3:.0f} kB, packed: too much to send with a run",
            hint=f"at most {MOST_SENT_BYTES // 1000} kB; put modules into an image (--image, --context-dir), "
            "data into the store (s3://BUCKET/KEY)",
        )
    labels = label(settings.site.name, DRIVER) | {RUN_LABEL: settings.run_id}
    secret = make_object("v1", "Secret", settings.name, settings.site.runs, labels)
    secret["metadata"]["ownerReferences"] = [
        {"apiVersion": "batch/v1", "kind": "Job", "name": settings.name, "uid": job_uid}
    ]
    data = {name: base64.b64encode(content).decode() for name, content in sorted(files.items())}
    return secret | {"type": "Opaque", "data": data}


def redact(secret: Manifest) -> Manifest:
    """Return a Secret as it may be shown."""
    return secret | {"data": dict.fromkeys(secret["data"], "REDACTED")}


def _mount(place: int, volume: Volume) -> Manifest:
    return {"name": f"volume-{place}", "mountPath": volume.path, "readOnly": volume.is_read_only}


def _volume(place: int, volume: Volume) -> Manifest:
    source: dict[str, Any]
    match volume.kind:
        case "claim":
            claim = {"claimName": volume.name, "readOnly": volume.is_read_only}
            source = {"persistentVolumeClaim": claim}
        case "config":
            source = {"configMap": {"name": volume.name}}
        case _:
            source = {"emptyDir": {"sizeLimit": str(volume.size_bytes)}}
    return {"name": f"volume-{place}"} | source
