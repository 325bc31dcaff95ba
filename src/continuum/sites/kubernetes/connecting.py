"""Contexts of kubeconfigs: which there are, and an HTTP client with the credentials of one.

lightkube reads kubeconfigs and brings credentials (certificates, tokens, exec plugins); this module and
`clusters` alone import it, when they are first used. Objects travel as plain JSON, so that nothing of its
models is loaded. Beside what lightkube does: `KUBECONFIG` may name several files; a context is looked for in
each. A file that names a context's cluster or user in another file is not understood.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import yaml
from lightkube.config.client_adapter import AsyncClient, ConnectionParams
from lightkube.config.kubeconfig import SERVICE_ACCOUNT, KubeConfig, SingleConfig
from lightkube.core.exceptions import ConfigError

from continuum.model.errors import InvalidInputError, NotFoundError

CONNECT_S = 10.0
ANSWER_S = 30.0
EXEC_NOW, EXEC_KNOWN = "client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """A context as it was found: its name, its server, the namespace that it prefers."""

    name: str
    server_url: str
    namespace: str


def open_client(context: str = "", kubeconfig: str = "") -> tuple[Context, httpx2.AsyncClient]:
    """Return a client for `context` (empty: the current one) of `kubeconfig`, else of `$KUBECONFIG`.

    Raises `NotFoundError` that lists the contexts that there are, and `InvalidInputError`.
    """
    files = _find_files(kubeconfig)
    configs = [_read(path) for path in files]
    return _open(_choose(context, configs, files))


def open_client_inside() -> tuple[Context, httpx2.AsyncClient]:
    """Return a client with the service account of the pod that this is. Raises `NotFoundError`."""
    try:
        config = KubeConfig.from_service_account(SERVICE_ACCOUNT).get()
    except (ConfigError, KeyError) as problem:
        raise NotFoundError(
            f"this is no pod with a service account: {problem}",
            hint="mount a token at /var/run/secrets/kubernetes.io/serviceaccount",
        ) from problem
    assert config is not None  # noqa: S101 -- for types; from_service_account always has one
    return _open(config)


def _find_files(kubeconfig: str) -> list[Path]:
    named = kubeconfig or os.environ.get("KUBECONFIG", "")
    paths = [Path(part).expanduser() for part in named.split(os.pathsep) if part] or [
        Path("~/.kube/config").expanduser()
    ]
    there = [path for path in paths if path.is_file()]
    if not there:
        raise NotFoundError(
            f"there is no kubeconfig {', '.join(map(str, paths))}",
            hint="name one with KUBECONFIG or --kubeconfig",
        )
    return there


def _read(path: Path) -> KubeConfig:
    try:
        document: Any = yaml.safe_load(path.read_text())
        if not isinstance(document, Mapping):
            raise InvalidInputError(f"{path} is no kubeconfig")
        _accept_new_plugins(document)
        return KubeConfig.from_dict(dict(document), fname=path)
    except (
        OSError,
        UnicodeDecodeError,
        yaml.YAMLError,
        KeyError,
        TypeError,
        msgspec.MsgspecError,
    ) as problem:
        raise InvalidInputError(f"the kubeconfig {path} cannot be read: {problem}") from problem


def _accept_new_plugins(document: Mapping[str, Any]) -> None:
    """Name v1 of the exec plugins' protocol as the one before, which is the same for what is used of it."""
    for user in document.get("users") or ():
        plugin = user.get("user", {}).get("exec")
        if plugin and plugin.get("apiVersion") == EXEC_NOW:
            plugin["apiVersion"] = EXEC_KNOWN


def _choose(context: str, configs: list[KubeConfig], files: list[Path]) -> SingleConfig:
    wanted = context or next((config.current_context for config in configs if config.current_context), "")
    found = next((config for config in configs if wanted in config.contexts), None)
    if found is None:
        there = ", ".join(sorted({name for config in configs for name in config.contexts})) or "none"
        where = ", ".join(map(str, files))
        missing = f"there is no context {wanted} in {where}" if wanted else f"{where} has no current context"
        raise NotFoundError(missing, hint=f"contexts there: {there}; --context names one")
    try:
        config = found.get(wanted)
    except (ConfigError, KeyError) as problem:
        raise InvalidInputError(
            f"context {wanted} is incomplete: there is no {problem}", hint=f"look into {found.fname}"
        ) from problem
    assert config is not None  # noqa: S101 -- for types
    return config


def _open(config: SingleConfig) -> tuple[Context, httpx2.AsyncClient]:
    described = Context(
        name=config.context_name, server_url=config.cluster.server, namespace=config.namespace
    )
    timeout = httpx2.Timeout(ANSWER_S, connect=CONNECT_S)
    try:
        client = AsyncClient(config, ConnectionParams(timeout=timeout))
    except (ConfigError, OSError, AssertionError, ValueError) as problem:
        raise InvalidInputError(
            f"the credentials of context {config.context_name} cannot be used: {problem}",
            hint="does kubectl take them? `kubectl --context NAME version`",
        ) from problem
    return described, client
