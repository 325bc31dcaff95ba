"""Kubernetes clusters to test against and to measure: those that somebody names, or a kit that makes them.

Where they come from, first that is there:

1. `KUBE_CONTEXTS="one two"`: contexts of the kubeconfig. They must be able to pull the image that
   `KUBE_IMAGE` names; what harms a cluster (a killed API server, a cut link) is not done to them. Their pods
   reach this machine at `KUBE_ADDRESS`.
2. `KUBE_CLUSTERS="one two"`: clusters of the kit that run already. They stay.
3. the kit: a folder with a `cluster.sh` (`up`, `down`, `load`, `kubeconfig`, `kubectl`, `kill`, `start`),
   named by `KUBE_KIT`, else `../shared/kube` beside the project. Clusters are made, and removed afterwards.
"""

import json
import os
import shlex
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[1]
IMAGE = "localhost/continuum:tested"
COMMAND_LIMIT_S = 300.0
KIT_ADDRESS = "10.200.0.1"  # of this machine, as pods of the kit see it
PASSING = frozenset(
    {"events", "leases", "endpoints", "endpointslices", "componentstatuses", "csistoragecapacities"}
)
CANNOT = 3  # the exit status of the kit where a machine cannot


class NoClustersError(Exception):
    """There is no cluster here; the text says why."""


@dataclass(frozen=True)
class Cluster:
    """A cluster. Clients reach it by `context` and `kubeconfig`, its pods this machine at `address`.

    `kit` is the kit's program if the cluster is its own: then it can be harmed.
    """

    name: str
    context: str
    kubeconfig: str
    address: str
    kit: Path | None = field(default=None, repr=False)

    def kubectl(self, *arguments: str, text: str = "", check: bool = True) -> str:
        """Run kubectl as administrator and return what it printed (without `check`, errors too)."""
        if self.kit is not None:
            return _run((str(self.kit), "kubectl", self.name, *arguments), text=text, check=check)
        return _run(
            ("kubectl", "--kubeconfig", self.kubeconfig, "--context", self.context, *arguments),
            text=text,
            check=check,
        )

    def get(self, *arguments: str) -> Any:
        """Return what `kubectl get … -o json` says."""
        return json.loads(self.kubectl("get", *arguments, "-o", "json"))

    def list_objects(self, *, selector: str = "") -> set[str]:
        """Return all objects of all kinds, as `NAMESPACE/KIND/NAME`; not what comes and goes by itself."""
        named = self.kubectl("api-resources", "--verbs=list,delete", "-o", "name").split()
        kinds = ",".join(sorted({kind for kind in named if kind.partition(".")[0] not in PASSING}))
        listed = self.get(kinds, "-A", *(("-l", selector) if selector else ()))["items"]
        about = [(each["kind"], each["metadata"]) for each in listed]
        return {f"{where.get('namespace', '')}/{kind}/{where['name']}" for kind, where in about}

    def environment(self) -> dict[str, str]:
        """Return the environment in which clients find the cluster."""
        return {"KUBECONFIG": self.kubeconfig}

    # ---- harm: clusters of the kit only ----

    def kill(self, part: str) -> None:
        """Kill -9 a part: `apiserver`, `kubelet`, …"""
        self._harm("kill", self.name, part, "KILL")

    def start(self, part: str) -> None:
        """Start a part again that was killed."""
        self._harm("start", self.name, part)

    def cut(self) -> None:
        """Cut the cluster off: nothing goes in or out."""
        self._link("down")

    def mend(self) -> None:
        """Undo `cut`."""
        self._link("up")

    def _link(self, state: str) -> None:
        index = next(row.split()[1] for row in self._harm("list").splitlines() if row.split()[0] == self.name)
        _run(("ip", "link", "set", f"kube-{index}", state))

    def _harm(self, *arguments: str) -> str:
        if self.kit is None:
            raise NoClustersError(f"{self.name} is no cluster of the kit: it is not harmed")
        return _run((str(self.kit), *arguments))


def find_kit() -> Path | None:
    """Return the kit's program, if there is a kit."""
    folder = Path(os.environ.get("KUBE_KIT") or PROJECT.parent / "shared" / "kube")
    script = folder / "cluster.sh"
    if os.environ.get("KUBE_KIT") and not script.exists():
        raise NoClustersError(f"KUBE_KIT names {folder}, where there is no cluster.sh")
    return script if script.exists() else None


@contextmanager
def open_clusters(count: int = 2) -> Iterator[tuple[Cluster, ...]]:
    """Have so many clusters for a while. Raises `NoClustersError`."""
    if contexts := shlex.split(os.environ.get("KUBE_CONTEXTS", "")):
        yield _enough(tuple(map(_of_context, contexts)), count)
        return
    kit = find_kit()
    if kit is None:
        raise NoClustersError("KUBE_CONTEXTS names no contexts, and no test kit is there (KUBE_KIT)")
    if running := shlex.split(os.environ.get("KUBE_CLUSTERS", "")):
        yield _enough(tuple(_of_kit(kit, name) for name in running), count)
        return
    _require(kit)
    mark = uuid.uuid4().hex[:6]
    with ExitStack() as stack:
        yield tuple(
            stack.enter_context(_made(kit, f"{name}{mark}")) for name in ("west", "east", "north")[:count]
        )


def load_image(clusters: tuple[Cluster, ...], archive: Path) -> None:
    """Put the image in `archive` into clusters of the kit; others pull theirs."""
    for cluster in clusters:
        if cluster.kit is not None:
            _run((str(cluster.kit), "load", cluster.name, str(archive)))


def find_image(clusters: tuple[Cluster, ...]) -> str:
    """Return the name of the image that the clusters pull; empty: it has to be built and loaded.

    Raises `NoClustersError`.
    """
    if all(cluster.kit is not None for cluster in clusters):
        return ""
    image = os.environ.get("KUBE_IMAGE", "")
    if not image:
        raise NoClustersError("KUBE_IMAGE names no image that the clusters of KUBE_CONTEXTS can pull")
    return image


def wait_until(is_so: Any, timeout_s: float, otherwise: str) -> None:
    """Return when `is_so()`; fail with `otherwise` after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not is_so():
        if time.monotonic() > deadline:
            raise AssertionError(f"{otherwise} after {timeout_s:.0f} s")
        time.sleep(0.3)


def _enough(clusters: tuple[Cluster, ...], count: int) -> tuple[Cluster, ...]:
    if len(clusters) < count:
        raise NoClustersError(f"{count} clusters are needed, {len(clusters)} are named")
    return clusters[:count]


def _of_context(context: str) -> Cluster:
    kubeconfig = os.environ.get("KUBECONFIG") or str(Path("~/.kube/config").expanduser())
    address = os.environ.get("KUBE_ADDRESS", "")
    if not address:
        raise NoClustersError("KUBE_ADDRESS does not say at which address pods reach this machine")
    return Cluster(name=context, context=context, kubeconfig=kubeconfig, address=address)


def _of_kit(kit: Path, name: str) -> Cluster:
    kubeconfig = _run((str(kit), "kubeconfig", name)).strip()
    context = _run((str(kit), "kubectl", name, "config", "current-context")).strip()
    return Cluster(name=name, context=context, kubeconfig=kubeconfig, address=KIT_ADDRESS, kit=kit)


def _require(kit: Path) -> None:
    """Make sure that the machine can, installing what is missing where that is possible."""
    if _status(kit, "check") == CANNOT:
        _status(kit, "deps")
    if _status(kit, "check") == CANNOT:
        said = subprocess.run((str(kit), "check"), capture_output=True, text=True, check=False, timeout=60)
        raise NoClustersError(f"this machine cannot run the test kit: {said.stderr.strip()}")


def _status(kit: Path, command: str) -> int:
    return subprocess.run(
        (str(kit), command), capture_output=True, check=False, timeout=COMMAND_LIMIT_S
    ).returncode


@contextmanager
def _made(kit: Path, name: str) -> Iterator[Cluster]:
    try:
        _run((str(kit), "up", name))
        yield _of_kit(kit, name)
    finally:
        _run((str(kit), "down", name), check=False)


def _run(command: tuple[str, ...], *, text: str = "", check: bool = True) -> str:
    """Run a command and return what it printed."""
    done = subprocess.run(
        command, input=text, capture_output=True, text=True, timeout=COMMAND_LIMIT_S, check=False
    )
    if check and done.returncode != 0:
        raise AssertionError(
            f"{shlex.join(command)} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        )
    return done.stdout if check else done.stdout + done.stderr
