"""Kubeconfigs: contexts in several files, what is missing in them, plugins."""

from pathlib import Path

import pytest

from continuum.model.errors import InvalidInputError, NotFoundError
from continuum.sites.kubernetes.connecting import open_client
from continuum.sites.kubernetes.kinds import KINDS, format_manifest_path, format_path, get_kind

KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{{name: {name}, cluster: {{server: "https://{name}:6443"}}}}]
contexts: [{{name: {name}, context: {{cluster: {name}, user: me, namespace: mine}}}}]
users: [{{name: me, user: {user}}}]
"""


def _write(folder: Path, name: str, user: str = "{token: secret}", more: str = "") -> str:
    path = folder / name
    path.write_text(KUBECONFIG.format(name=name, user=user) + more)
    return str(path)


async def test_a_context_is_found_in_any_of_several_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [_write(tmp_path, "west", more="current-context: west"), _write(tmp_path, "east")]
    monkeypatch.setenv("KUBECONFIG", ":".join([*files, str(tmp_path / "not-there")]))
    for wanted, found in (("", "west"), ("east", "east"), ("west", "west")):
        context, client = open_client(wanted)
        await client.aclose()
        assert (context.name, context.server_url, context.namespace) == (
            found,
            f"https://{found}:6443",
            "mine",
        )


async def test_a_plugin_of_the_newest_protocol_is_taken(tmp_path: Path) -> None:
    plugin = "{exec: {apiVersion: client.authentication.k8s.io/v1, command: give-token}}"
    _, client = open_client("west", _write(tmp_path, "west", plugin))
    await client.aclose()


@pytest.mark.parametrize(
    ("context", "text", "said"),
    [
        ("north", KUBECONFIG.format(name="west", user="{}"), "there is no context north .*there: west"),
        ("", KUBECONFIG.format(name="west", user="{}"), "has no current context"),
        ("west", "contexts: [", "cannot be read"),
        ("west", "[]", "is no kubeconfig"),
        (
            "west",
            KUBECONFIG.format(name="west", user="{auth-provider: {name: gcp}}"),
            "credentials of context west cannot be used",
        ),
    ],
)
def test_what_is_wrong_with_a_kubeconfig_is_said(tmp_path: Path, context: str, text: str, said: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises((NotFoundError, InvalidInputError), match=said):
        open_client(context, str(path))


def test_no_kubeconfig_at_all_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="name one with KUBECONFIG"):
        open_client("", str(tmp_path / "config"))


def test_paths_are_those_of_the_api_server() -> None:
    assert format_path(KINDS["Pod"], namespace="a", name="b", sub="log") == "/api/v1/namespaces/a/pods/b/log"
    assert format_path(KINDS["Deployment"]) == "/apis/apps/v1/deployments"
    assert format_path(KINDS["Node"], namespace="a", name="n") == "/api/v1/nodes/n"
    budget = {"apiVersion": "policy/v1beta1", "kind": "PodDisruptionBudget", "metadata": {"name": "g"}}
    assert format_manifest_path(budget) == "/apis/policy/v1beta1/poddisruptionbudgets/g"
    with pytest.raises(InvalidInputError, match="kind Widget"):
        get_kind("Widget")
