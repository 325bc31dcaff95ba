"""Container images: built twice, checked, and run in a cluster where there is one to load them into.

`KUBE_KIT` names a folder with a `cluster.sh` whose `up`, `load` and `kubectl` serve a test cluster. The first
build fetches Debian's packages and wheels; later ones take them from the cache.
"""

import json
import os
import subprocess
import uuid
from pathlib import Path

import pytest

from continuum.sites import BuildOptions, BuiltImage, build_image, check_archive, default_cache

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]

PROGRAM = """
import os
from continuum.workflow import task, wait_on

@task(returns=1)
def who(number):
    return os.getuid(), number

if __name__ == "__main__":
    print("said", wait_on([who(number) for number in range(4)]))
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> BuiltImage:
    out = tmp_path_factory.mktemp("image") / "continuum.tar"
    return build_image(BuildOptions(out=out, name="localhost/continuum:test", cache=default_cache()), print)


def test_the_archive_is_what_it_says(built: BuiltImage) -> None:
    found = check_archive(built.path)
    assert (found.digest, found.name) == (built.digest, "localhost/continuum:test")
    assert [each.title for each in found.layers] == ["Debian and Python", "dependencies", "continuum"]
    assert found.run.user == "65532:65532"
    assert found.size_bytes < 90e6
    assert found.layers[-1].size_bytes < 5e6


def test_another_cache_in_another_place_gives_the_same_digest(built: BuiltImage, tmp_path: Path) -> None:
    cache = tmp_path / ("long" * 40)
    cache.mkdir()
    (cache / "debian").symlink_to(default_cache() / "debian")
    before = os.umask(0o077)
    try:
        again = build_image(BuildOptions(out=tmp_path / "again.tar", name=built.name, cache=cache), print)
    finally:
        os.umask(before)
    assert again.digest == built.digest
    assert (tmp_path / "again.tar").read_bytes() == built.path.read_bytes()


def test_all_of_continuum_runs_in_a_restricted_pod(built: BuiltImage) -> None:
    kit = os.environ.get("KUBE_KIT")
    if not kit:
        pytest.skip("KUBE_KIT names no folder with cluster.sh: no cluster to run the image in")
    with _Cluster(Path(kit) / "cluster.sh", f"image{uuid.uuid4().hex[:6]}") as cluster:
        cluster.run("load", cluster.name, str(built.path))
        cluster.apply(_restricted_pod())
        cluster.kubectl("wait", "--for=condition=Ready", "pod/all", "--timeout=120s")
        assert cluster.execute("id -u; touch /usr/x 2>&1; continuum --version").splitlines() == [
            "65532",
            "touch: /usr/x: Read-only file system",
            "0.1.0",
        ]
        cluster.execute("continuum up --sites here --store directory")
        cluster.execute("cat >/tmp/program.py", given=PROGRAM)
        said = cluster.execute("cd /tmp && continuum run program.py")
        assert "said [(65532, 0), (65532, 1), (65532, 2), (65532, 3)]" in said


class _Cluster:
    """A cluster of the kit that lives as long as the test."""

    def __init__(self, script: Path, name: str) -> None:
        self._script, self.name = script, name

    def __enter__(self) -> "_Cluster":
        self.run("up", self.name)
        return self

    def __exit__(self, *_: object) -> None:
        self.run("down", self.name)

    def run(self, *arguments: str, given: str = "") -> str:
        done = subprocess.run(
            (str(self._script), *arguments),
            input=given,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def kubectl(self, *arguments: str, given: str = "") -> str:
        return self.run("kubectl", self.name, *arguments, given=given)

    def apply(self, manifest: object) -> None:
        self.kubectl("apply", "-f", "-", given=json.dumps(manifest))

    def execute(self, words: str, *, given: str = "") -> str:
        return self.kubectl("exec", "-i", "all", "--", "sh", "-c", words, given=given)


def _restricted_pod() -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "all"},
        "spec": {
            "automountServiceAccountToken": False,
            "shareProcessNamespace": True,
            "securityContext": {
                "runAsNonRoot": True,
                "fsGroup": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "all",
                    "image": "localhost/continuum:test",
                    "command": ["sleep", "3600"],
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                    "volumeMounts": [
                        {"name": "tmp", "mountPath": "/tmp"},
                        {"name": "state", "mountPath": "/var/lib/continuum"},
                    ],
                }
            ],
            "volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "state", "emptyDir": {}}],
        },
    }
