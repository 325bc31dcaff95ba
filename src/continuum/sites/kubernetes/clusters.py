"""A cluster: the only one that talks to the API server.

Objects are plain JSON in and out, as manifests are. What is applied is applied on the server (field manager
`continuum`), so that fields which others set stay. Answers that mean "no" become errors of ours: who asks
learns which context, which right or which object it is about. Every request has a timeout; a request that
was not answered may have been carried out, and applying and removing may be repeated.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from enum import StrEnum
from typing import Any

import httpx2
import msgspec

from continuum.model.errors import (
    AccessDeniedError,
    ConflictError,
    ContinuumError,
    InvalidInputError,
    NotFoundError,
    UnavailableError,
)
from continuum.sites.kubernetes.connecting import Context, open_client, open_client_inside
from continuum.sites.kubernetes.kinds import KINDS, Kind, format_manifest_path, format_path, get_kind
from continuum.sites.kubernetes.observing import Observed, choose_events, find_failed_containers
from continuum.sites.kubernetes.refusals import is_about_certificates, refusal_of
from continuum.sites.kubernetes.rules import Manifest

FIELD_MANAGER = "continuum"
APPLY = "application/apply-patch+yaml"  # JSON is YAML, too
MERGE = "application/merge-patch+json"
PAGE = 500
LAST_LINES = 20
WATCH_S = 300
WORKLOADS = ("Deployment", "ReplicaSet", "StatefulSet", "Job")


class Change(StrEnum):
    """What applying did to an object."""

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"


class Right(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """A right to ask the server for. `resource` is plural, `pods/log` for a subresource; group empty: core;
    namespace empty: in the whole cluster.
    """

    verb: str
    resource: str
    group: str = ""
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        what = f"{self.verb} {self.resource}" + (f".{self.group}" if self.group else "")
        return what + (f" in {self.namespace}" if self.namespace else " in the whole cluster")


class WatchEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a watch. `type` is ADDED, MODIFIED or DELETED."""

    type: str
    object: dict[str, Any]


class Cluster:
    """A connection to one API server. Use it as `async with Cluster.open(context="…") as cluster`."""

    def __init__(self, context: Context, client: httpx2.AsyncClient) -> None:
        self.context = context.name
        self.server_url = context.server_url
        self.namespace = context.namespace
        self._client = client

    @classmethod
    def open(cls, context: str = "", kubeconfig: str = "") -> "Cluster":
        """Return the cluster of a context (empty: the current one) of `kubeconfig`, else `$KUBECONFIG`."""
        return cls(*open_client(context, kubeconfig))

    @classmethod
    def open_inside(cls) -> "Cluster":
        """Return the cluster in which this process is a pod, with the rights of its service account."""
        return cls(*open_client_inside())

    async def __aenter__(self) -> "Cluster":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def get_version(self) -> str:
        """Return the server's version (`v1.20.2`)."""
        return str((await self._json("GET", "/version"))["gitVersion"])

    async def list_api_versions(self, group: str) -> tuple[str, ...]:
        """Return the versions of an API group that the server has (`policy/v1`), preferred ones first."""
        try:
            answer = await self._json("GET", f"/apis/{group}")
        except NotFoundError:
            return ()
        return tuple(version["groupVersion"] for version in answer["versions"])

    async def find(self, kind: str, name: str, namespace: str = "", *, version: str = "") -> Manifest | None:
        """Return an object; None if there is none."""
        path = format_path(get_kind(kind), namespace=namespace, name=name, version=version)
        try:
            return await self._json("GET", path)
        except NotFoundError:
            return None

    async def get(self, kind: str, name: str, namespace: str = "") -> Manifest:
        """Return an object. Raises `NotFoundError`."""
        return await self._json("GET", format_path(get_kind(kind), namespace=namespace, name=name))

    async def list(
        self, kind: str, namespace: str = "", selector: str = "", *, version: str = ""
    ) -> tuple[Manifest, ...]:
        """Return the objects of a kind with these labels (all if empty), in one namespace or everywhere."""
        found = get_kind(kind)
        path = format_path(found, namespace=namespace, version=version)
        items: list[Manifest] = []
        query = {"limit": str(PAGE)} | ({"labelSelector": selector} if selector else {})
        while True:
            page = await self._json("GET", path, query=query)
            described = {"kind": found.name, "apiVersion": page["apiVersion"]}
            items += [described | item for item in page["items"]]
            onward = page["metadata"].get("continue")
            if not onward:
                return tuple(items)
            query["continue"] = onward

    async def create(self, manifest: Manifest) -> Manifest:
        """Create an object and return it. Raises `ConflictError` if there is one of that name."""
        return await self._json("POST", format_manifest_path(manifest, has_name=False), body=manifest)

    async def apply(self, manifest: Manifest, *, dry_run: bool = False) -> Change:
        """Make the object as `manifest` says; return what that changed. With `dry_run` the server checks
        all and keeps nothing.
        """
        path = format_manifest_path(manifest)
        try:
            before = await self._json("GET", path)
        except NotFoundError:
            before = None
        query = {"fieldManager": FIELD_MANAGER, "force": "true"} | ({"dryRun": "All"} if dry_run else {})
        after = await self._json("PATCH", path, query=query, body=manifest, content_type=APPLY)
        if before is None:
            return Change.CREATED
        return Change.UNCHANGED if _essence(before) == _essence(after) else Change.CHANGED

    async def patch(self, kind: str, name: str, namespace: str, change: Manifest) -> Manifest:
        """Merge `change` into an object (RFC 7396) and return it."""
        path = format_path(get_kind(kind), namespace=namespace, name=name)
        return await self._json("PATCH", path, body=change, content_type=MERGE)

    async def delete(
        self, kind: str, name: str, namespace: str = "", *, grace_s: int | None = None, version: str = ""
    ) -> bool:
        """Delete an object and, in the background, what it owns; return whether it was there."""
        path = format_path(get_kind(kind), namespace=namespace, name=name, version=version)
        body: dict[str, Any] = {"propagationPolicy": "Background"}
        if grace_s is not None:
            body["gracePeriodSeconds"] = grace_s
        try:
            await self._json("DELETE", path, body=body)
        except NotFoundError:
            return False
        return True

    async def remove(
        self, namespace: str, selector: str, kinds: Iterable[str] = (), *, grace_s: int | None = None
    ) -> int:
        """Delete what has these labels in a namespace (empty: what belongs to none); return how many.

        `kinds` empty: all that the platform makes. Kinds that the server does not have, or that owners
        take with them (ReplicaSets), are no error.
        """
        if not selector:
            raise InvalidInputError("removing needs a selector: everything is never meant")
        removed = 0
        for kind in kinds or _removable(is_namespaced=bool(namespace)):
            version = await self._version_of(get_kind(kind))
            if not version:
                continue
            for found in await self.list(kind, namespace, selector, version=version):
                name = found["metadata"]["name"]
                removed += await self.delete(kind, name, namespace, grace_s=grace_s, version=version)
        return removed

    async def observe(self, namespace: str, selector: str = "") -> Observed:
        """Return what is seen of the objects with these labels. Kinds that may not be listed are left out
        and named in `hidden`.
        """
        seen: dict[str, tuple[Manifest, ...]] = {}
        hidden: list[str] = []
        for kind in ("Pod", *WORKLOADS, "PersistentVolumeClaim", "Event", "ResourceQuota", "StorageClass"):
            labels = "" if kind in {"Event", "ResourceQuota", "StorageClass"} else selector
            where = namespace if get_kind(kind).is_namespaced else ""
            try:
                seen[kind] = await self.list(kind, where, labels)
            except AccessDeniedError:
                hidden.append(kind)
        pods, claims = seen.get("Pod", ()), seen.get("PersistentVolumeClaim", ())
        workloads = tuple(each for kind in WORKLOADS for each in seen.get(kind, ()))
        return Observed(
            namespace=namespace,
            pods=pods,
            workloads=workloads,
            claims=claims,
            events=choose_events(seen.get("Event", ()), (*pods, *workloads, *claims)),
            quotas=seen.get("ResourceQuota", ()),
            storage_classes=seen.get("StorageClass", ()),
            last_words=await self._read_last_words(namespace, pods),
            hidden=tuple(hidden),
        )

    async def list_refused(self, rights: Sequence[Right]) -> tuple[Right, ...]:
        """Return those of `rights` that the server would refuse to who asks."""
        allowed = await asyncio.gather(*map(self._may, rights))
        return tuple(right for right, may in zip(rights, allowed, strict=True) if not may)

    async def read_logs(
        self, namespace: str, pod: str, container: str = "", *, lines: int = 100, previous: bool = False
    ) -> str:
        """Return the last lines of a container (of its previous instance), at most 64 kB."""
        query = {"tailLines": str(lines), "limitBytes": "65536"} | ({"previous": "true"} if previous else {})
        if container:
            query["container"] = container
        path = format_path(KINDS["Pod"], namespace=namespace, name=pod, sub="log")
        return (await self._send("GET", path, query=query)).text

    async def follow_logs(
        self, namespace: str, pod: str, container: str = "", *, since: str = "", has_times: bool = False
    ) -> AsyncIterator[bytes]:
        """Yield what a container writes, from its beginning (or RFC 3339 instant `since`) to its end.

        `has_times`: each line begins with its instant. Ends also when the connection does: raises
        `UnavailableError` then; who wants to go on calls again with `since`.
        """
        query = {"follow": "true"} | ({"sinceTime": since} if since else {})
        query |= {"container": container} if container else {}
        query |= {"timestamps": "true"} if has_times else {}
        path = format_path(KINDS["Pod"], namespace=namespace, name=pod, sub="log")
        async for part in self._stream(path, query, by_line=False):
            yield part

    async def watch(
        self, kind: str, namespace: str, selector: str = "", *, resource_version: str = ""
    ) -> AsyncIterator[WatchEvent]:
        """Yield changes to objects for at most five minutes; without `resource_version` all objects that
        there are come first, as ADDED. Raises `ConflictError` when the version is too old: begin anew.
        """
        query = {"watch": "true", "timeoutSeconds": str(WATCH_S)}
        query |= {"labelSelector": selector} if selector else {}
        query |= {"resourceVersion": resource_version} if resource_version else {}
        async for line in self._stream(format_path(get_kind(kind), namespace=namespace), query, by_line=True):
            event = msgspec.json.decode(line, type=WatchEvent)
            if event.type == "ERROR":
                raise ConflictError(f"watching {kind}: {event.object.get('message', 'the server ended it')}")
            yield event

    async def _may(self, right: Right) -> bool:
        resource, _, sub = right.resource.partition("/")
        wanted = {"verb": right.verb, "resource": resource, "subresource": sub, "group": right.group}
        wanted |= {"namespace": right.namespace, "name": right.name}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {key: value for key, value in wanted.items() if value}},
        }
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        return bool((await self._json("POST", path, body=review))["status"]["allowed"])

    async def _version_of(self, kind: Kind) -> str:
        """The version of a kind that this server has: of all but PodDisruptionBudget there is one."""
        if kind.name != "PodDisruptionBudget":
            return kind.api_version
        versions = await self.list_api_versions(kind.group)
        return next((version for version in ("policy/v1", "policy/v1beta1") if version in versions), "")

    async def _read_last_words(self, namespace: str, pods: tuple[Manifest, ...]) -> dict[str, str]:
        words = {}
        for pod, container, is_previous in find_failed_containers(pods):
            try:
                words[f"{pod}/{container}"] = await self.read_logs(
                    namespace, pod, container, lines=LAST_LINES, previous=is_previous
                )
            except ContinuumError:  # a pod that is gone by now, or logs that may not be read: not known
                continue
        return words

    async def _json(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, str] | None = None,
        body: Manifest | None = None,
        content_type: str = "application/json",
    ) -> dict[str, Any]:
        answer = await self._send(method, path, query=query, body=body, content_type=content_type)
        try:
            return msgspec.json.decode(answer.content, type=dict[str, Any])
        except msgspec.MsgspecError as problem:
            raise UnavailableError(
                f"{self.server_url} does not answer as an API server does: {problem}",
                hint="is there a proxy in between?",
            ) from problem

    async def _send(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, str] | None = None,
        body: Manifest | None = None,
        content_type: str = "application/json",
    ) -> httpx2.Response:
        headers = {"Content-Type": content_type} if body is not None else {}
        content = msgspec.json.encode(body) if body is not None else None
        try:
            answer = await self._client.request(method, path, params=query, content=content, headers=headers)
        except httpx2.HTTPError as problem:
            raise self._unreachable(problem) from problem
        if answer.is_success:
            return answer
        raise refusal_of(answer.status_code, answer.content, self.context)

    async def _stream(self, path: str, query: dict[str, str], *, by_line: bool) -> AsyncIterator[bytes]:
        timeout = httpx2.Timeout(30.0, read=None)  # a quiet container is no failure
        try:
            async with self._client.stream("GET", path, params=query, timeout=timeout) as answer:
                if not answer.is_success:
                    raise refusal_of(answer.status_code, await answer.aread(), self.context)
                if by_line:
                    async for line in answer.aiter_lines():
                        yield line.encode()
                else:
                    async for part in answer.aiter_bytes():
                        yield part
        except httpx2.HTTPError as problem:
            raise self._unreachable(problem) from problem

    def _unreachable(self, problem: Exception) -> UnavailableError:
        if is_about_certificates(problem):
            return UnavailableError(
                f"the certificate of the API server {self.server_url} cannot be verified: {problem}",
                hint=f"certificate-authority of context {self.context} in the kubeconfig is not its own",
            )
        return UnavailableError(
            f"the API server {self.server_url} (context {self.context}) does not answer: "
            f"{problem or type(problem).__name__}",
            hint="is the cluster up, and its address reachable from here?",
        )


def _removable(*, is_namespaced: bool) -> tuple[str, ...]:
    left_out = {
        "Event",
        "Pod",
        "ReplicaSet",
        "Node",
        "StorageClass",
        "Namespace",
        "LimitRange",
        "ResourceQuota",
    }
    chosen = [kind.name for kind in KINDS.values() if kind.is_namespaced == is_namespaced]
    return (*(name for name in chosen if name not in left_out), *(("Pod",) if is_namespaced else ()))


def _essence(manifest: Manifest) -> dict[str, Any]:
    """Return an object without what the server notes by itself."""
    noted = {"managedFields", "resourceVersion", "generation"}
    metadata = {key: value for key, value in manifest["metadata"].items() if key not in noted}
    return {key: value for key, value in manifest.items() if key != "status"} | {"metadata": metadata}
