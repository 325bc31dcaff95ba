"""Any sequence of requests, to the gateways of two sites in turn, is answered as by a bucket of S3's own."""

import itertools
import os
from typing import Any
from urllib.parse import urlencode

import pytest
from botocore.exceptions import ClientError
from bucket_model import NULL, BucketModel, Version, etag_of
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "10"))
STEPS = 40
KINDS = {"Versions": False, "DeleteMarkers": True}

Said = tuple[dict[str, str], dict[str, str]]
"""User metadata and tags."""

keys = st.sampled_from(["a", "a/", "a/b", "a/b/c d", "a0", "\u00fc&<", "\U0001f600/x"])
bodies = st.sampled_from([0, 1, 10, 4096]).map(
    lambda size_bytes: b"body"[:size_bytes] * max(1, size_bytes // 4)
)
tag_sets = st.dictionaries(st.sampled_from(["t", "u"]), st.sampled_from(["", "1", "\u00e4 b"]), max_size=2)
metadata_sets = st.dictionaries(st.sampled_from(["m", "n"]), st.sampled_from(["1", "two words"]), max_size=2)
sites = st.sampled_from([0, 1])


def ask(call: Any, **arguments: Any) -> tuple[str, dict[str, Any]]:
    """Return what a call gave, or the code of its error (of a HEAD its status)."""
    try:
        return "", call(**arguments)
    except ClientError as problem:
        return str(problem.response["Error"]["Code"]), {}


class Bucket(RuleBasedStateMachine):
    """Rules are requests; each names the site whose gateway is asked."""

    clients: tuple[Any, Any]
    names: "itertools.count[int]"
    prefix: str

    def __init__(self) -> None:
        super().__init__()
        self.model = BucketModel()
        self.name = f"{self.prefix}-{next(self.names)}"
        self.uploads: dict[str, tuple[str, dict[str, str]]] = {}
        self.turn = 0

    @initialize(site=sites)
    def make(self, site: int) -> None:
        self.clients[site].create_bucket(Bucket=self.name)

    def at(self, key: str, version_id: str = "") -> dict[str, str]:
        where = {"Bucket": self.name, "Key": key}
        return where | ({"VersionId": version_id} if version_id else {})

    def given_id(self, answer: dict[str, Any]) -> str:
        """Return the id that a write was given; there is none exactly while no versions are kept."""
        assert ("VersionId" in answer) == bool(self.model.versioning)
        given = answer.get("VersionId", NULL)
        assert (given == NULL) == (self.model.versioning != "Enabled")
        return str(given)

    # ---- writing ----

    @rule(
        site=sites,
        key=keys,
        body=bodies,
        said=st.tuples(metadata_sets, tag_sets),
        condition=st.integers(0, 9),
    )
    def put(self, site: int, key: str, body: bytes, said: Said, condition: int) -> None:
        metadata, tags = said
        now = self.model.current(key)
        asked: dict[str, Any] = {
            0: {"IfNoneMatch": "*"},
            1: {"IfMatch": now.etag if now else etag_of(b"nothing")},
            2: {"IfMatch": etag_of(b"else")},
        }.get(condition, {})
        wanted = self.model.refuses(
            key, if_match=asked.get("IfMatch", ""), if_none_match="IfNoneMatch" in asked
        )
        described = {"Metadata": metadata, "Tagging": urlencode(tags)}
        refused, answer = ask(self.clients[site].put_object, **self.at(key), Body=body, **described, **asked)
        assert refused == wanted
        if not refused:
            assert answer["ETag"] == etag_of(body)
            self.model.put(key, Version(self.given_id(answer), body, answer["ETag"], metadata, tags))

    @rule(site=sites, source=keys, key=keys, replace=st.booleans())
    def copy(self, site: int, source: str, key: str, replace: bool) -> None:
        found = self.model.current(source)
        asked = {"MetadataDirective": "REPLACE", "Metadata": {"m": "new"}} if replace else {}
        wanted = "NoSuchKey" if found is None else "InvalidRequest" if source == key and not replace else ""
        refused, answer = ask(
            self.clients[site].copy_object, **self.at(key), CopySource=self.at(source), **asked
        )
        assert refused == wanted
        if found is None or refused:
            return
        # Of an object that came in parts a store may keep the ETag, or make that of one piece.
        assert answer["CopyObjectResult"]["ETag"] in {found.etag, etag_of(found.body or b"")}
        metadata = {"m": "new"} if replace else found.metadata
        etag = answer["CopyObjectResult"]["ETag"]
        self.model.put(key, Version(self.given_id(answer), found.body, etag, metadata, found.tags))

    @rule(site=sites, key=keys, metadata=metadata_sets)
    def begin_upload(self, site: int, key: str, metadata: dict[str, str]) -> None:
        made = self.clients[site].create_multipart_upload(**self.at(key), Metadata=metadata)
        self.uploads[made["UploadId"]] = (key, metadata)

    @precondition(lambda self: self.uploads)
    @rule(
        site=sites, body=bodies, number=st.sampled_from([1, 7, 10_000]), aborts=st.booleans(), data=st.data()
    )
    def end_upload(self, site: int, body: bytes, number: int, aborts: bool, data: st.DataObject) -> None:
        upload = list(self.uploads)[data.draw(st.integers(0, len(self.uploads) - 1))]
        key, metadata = self.uploads.pop(upload)
        where = self.at(key) | {"UploadId": upload}
        sender, ender = self.clients[site], self.clients[1 - site]
        part = sender.upload_part(**where, PartNumber=number, Body=body)
        if aborts:
            ender.abort_multipart_upload(**where)
            return
        parts = [{"PartNumber": number, "ETag": part["ETag"]}]
        answer = ender.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})
        assert answer["ETag"].endswith('-1"')
        self.model.put(key, Version(self.given_id(answer), body, answer["ETag"], metadata))

    @rule(site=sites, key=keys)
    def delete(self, site: int, key: str) -> None:
        answer = self.clients[site].delete_object(**self.at(key))
        assert answer.get("DeleteMarker", False) == bool(self.model.versioning)
        self.model.delete(key, answer.get("VersionId", NULL))

    @rule(site=sites, chosen=st.sets(keys, min_size=1, max_size=3))
    def delete_many(self, site: int, chosen: set[str]) -> None:
        listed = {"Objects": [{"Key": key} for key in sorted(chosen)]}
        answer = self.clients[site].delete_objects(Bucket=self.name, Delete=listed)
        assert "Errors" not in answer
        for line in answer["Deleted"]:
            self.model.delete(line["Key"], line.get("DeleteMarkerVersionId", NULL))

    @precondition(lambda self: self.model.versions)
    @rule(site=sites, data=st.data())
    def delete_version(self, site: int, data: st.DataObject) -> None:
        key, version = self.any_version(data)
        answer = self.clients[site].delete_object(**self.at(key, version.version_id))
        assert answer.get("DeleteMarker", False) == version.is_marker
        self.model.delete_version(key, version.version_id)

    @precondition(lambda self: self.model.versions)
    @rule(site=sites, tags=tag_sets, data=st.data())
    def tag(self, site: int, tags: dict[str, str], data: st.DataObject) -> None:
        key, version = self.any_version(data)
        asked = {"TagSet": [{"Key": name, "Value": value} for name, value in tags.items()]}
        tagging = self.clients[site].put_object_tagging
        refused, _ = ask(tagging, **self.at(key, version.version_id), Tagging=asked)
        assert refused == ("MethodNotAllowed" if version.is_marker else "")
        if not refused:
            self.model.tag(key, version.version_id, tags)

    @rule(site=sites, status=st.sampled_from(["Enabled", "Enabled", "Suspended"]))
    def set_versioning(self, site: int, status: str) -> None:
        self.clients[site].put_bucket_versioning(Bucket=self.name, VersioningConfiguration={"Status": status})
        self.model.versioning = status

    def any_version(self, data: st.DataObject) -> tuple[str, Version]:
        every = [(key, version) for key, found in sorted(self.model.versions.items()) for version in found]
        return every[data.draw(st.integers(0, len(every) - 1))]

    # ---- reading ----

    @rule(site=sites, key=keys, first=st.integers(0, 300), length=st.integers(1, 300))
    def get(self, site: int, key: str, first: int, length: int) -> None:
        now = self.model.current(key)
        size = len(now.body or b"") if now else 0
        asked = {"Range": f"bytes={first}-{first + length - 1}"} if length % 2 else {}
        refused, answer = ask(self.clients[site].get_object, **self.at(key), **asked)
        assert refused == ("NoSuchKey" if now is None else "InvalidRange" if asked and first >= size else "")
        if now is None or refused:
            return
        body = now.body or b""
        assert answer["Body"].read() == (body[first : first + length] if asked else body)
        self.check(answer, now)

    @precondition(lambda self: self.model.versions)
    @rule(site=sites, data=st.data())
    def head_version(self, site: int, data: st.DataObject) -> None:
        key, version = self.any_version(data)
        refused, answer = ask(self.clients[site].head_object, **self.at(key, version.version_id))
        assert refused == ("405" if version.is_marker else "")
        if refused:
            return
        assert answer["ContentLength"] == len(version.body or b"")
        self.check(answer, version)

    @precondition(lambda self: self.model.keys())
    @rule(site=sites, data=st.data(), matches=st.booleans(), negated=st.booleans())
    def get_if(self, site: int, data: st.DataObject, matches: bool, negated: bool) -> None:
        key = data.draw(st.sampled_from(self.model.keys()))
        now = self.model.current(key)
        assert now is not None
        etag = now.etag if matches else etag_of(b"else")
        asked = {"IfNoneMatch": etag} if negated else {"IfMatch": etag}
        refused, answer = ask(self.clients[site].get_object, **self.at(key), **asked)
        assert refused == ("" if matches != negated else "304" if negated else "PreconditionFailed")
        assert refused or answer["Body"].read() == now.body

    def check(self, answer: dict[str, Any], version: Version) -> None:
        """Compare what a read tells of a version."""
        assert answer["ETag"] == version.etag
        assert answer["Metadata"] == version.metadata
        assert answer.get("TagCount", 0) == len(version.tags)
        assert answer.get("VersionId", NULL) == version.version_id
        assert ("VersionId" in answer) == bool(self.model.versioning)

    # ---- lists, after every step, at the sites in turn ----

    @invariant()
    def lists_are_right(self) -> None:
        self.turn += 1
        client = self.clients[self.turn % 2]
        if self.turn % 3 == 0:
            self.check_history(client)
        elif self.turn % 3 == 1:
            prefix, delimiter = [("", ""), ("", "/"), ("a", "/"), ("a/", "/")][self.turn // 3 % 4]
            self.check_pages(client, prefix, delimiter, v2=bool(self.turn % 2))

    def check_pages(self, client: Any, prefix: str, delimiter: str, *, v2: bool) -> None:
        pages = client.get_paginator("list_objects_v2" if v2 else "list_objects").paginate(
            Bucket=self.name, Prefix=prefix, Delimiter=delimiter, PaginationConfig={"PageSize": 2}
        )
        shown: list[tuple[str, bool]] = []
        for page in pages:
            lines = [(line["Key"], False) for line in page.get("Contents", [])]
            lines += [(line["Prefix"], True) for line in page.get("CommonPrefixes", [])]
            shown += sorted(lines, key=lambda line: line[0].encode())
        assert shown == self.model.entries(prefix, delimiter)

    def check_history(self, client: Any) -> None:
        shown: list[tuple[str, str, bool, bool]] = []
        for page in client.get_paginator("list_object_versions").paginate(
            Bucket=self.name, PaginationConfig={"PageSize": 3}
        ):
            for kind, is_marker in KINDS.items():
                shown += [
                    (line["Key"], line["VersionId"], is_marker, line["IsLatest"])
                    for line in page.get(kind, [])
                ]
        for is_marker in KINDS.values():  # their order among each other is not told
            wanted = [line for line in self.model.history() if line[2] == is_marker]
            assert [line for line in shown if line[2] == is_marker] == wanted
        uploads = client.list_multipart_uploads(Bucket=self.name).get("Uploads", [])
        assert {line["UploadId"] for line in uploads} == self.uploads.keys()


def test_gateways_answer_as_a_bucket_of_s3(embedded: Any, bucket: str) -> None:
    class Sites(Bucket):
        clients = (embedded.boto3_client("edge"), embedded.boto3_client("cloud"))  # they try again
        names = itertools.count()
        prefix = bucket

    run_state_machine_as_test(
        Sites,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            phases=(Phase.generate,),  # what failed in a world that goes on does not get simpler
            suppress_health_check=list(HealthCheck),
        ),
    )
