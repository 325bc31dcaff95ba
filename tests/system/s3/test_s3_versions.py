"""Versioning: what is kept, found, hidden and removed."""

import pytest
from botocore.exceptions import ClientError
from s3_clients import RawClient, path_of, refusal

pytestmark = pytest.mark.system

UNKNOWN = "0" * 32


@pytest.fixture
def versioned(edge, bucket) -> str:
    """A bucket that keeps versions."""
    set_versioning(edge, bucket, "Enabled")
    return bucket


def set_versioning(client, bucket: str, status: str) -> None:
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})


def put(client, bucket: str, body: bytes, key: str = "key") -> str:
    return client.put_object(Bucket=bucket, Key=key, Body=body)["VersionId"]


def read(client, bucket: str, key: str = "key", **options) -> bytes:
    return client.get_object(Bucket=bucket, Key=key, **options)["Body"].read()


def failure(call, **arguments) -> tuple[str, int, dict[str, str]]:
    """Code, status and headers of what a call ends with."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    answer = caught.value.response
    said = answer["ResponseMetadata"]
    return answer["Error"]["Code"], said["HTTPStatusCode"], said["HTTPHeaders"]


def history(client, bucket: str, **options) -> list[tuple[str, str, bool]]:
    """(key, version id, is latest) of versions and then of delete markers."""
    page = client.list_object_versions(Bucket=bucket, **options)
    lines = page.get("Versions", []) + page.get("DeleteMarkers", [])
    return [(line["Key"], line["VersionId"], line["IsLatest"]) for line in lines]


def test_a_bucket_keeps_versions_once_told_and_may_be_suspended(edge, cloud, bucket):
    assert "Status" not in edge.get_bucket_versioning(Bucket=bucket)
    for status in ("Enabled", "Suspended", "Enabled"):
        set_versioning(edge, bucket, status)
        assert cloud.get_bucket_versioning(Bucket=bucket)["Status"] == status


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (b"<VersioningConfiguration/>", "IllegalVersioningConfigurationException"),
        (b"<VersioningConfiguration><Status>On</Status></VersioningConfiguration>", "MalformedXML"),
        (
            b"<VersioningConfiguration><Status>Enabled</Status><MfaDelete>Enabled</MfaDelete>"
            b"</VersioningConfiguration>",
            "NotImplemented",
        ),
    ],
)
def test_what_cannot_be_set_is_refused(raw: RawClient, edge, bucket, document, code):
    assert raw.request("PUT", f"/{bucket}", "versioning", body=document).code == code
    assert "Status" not in edge.get_bucket_versioning(Bucket=bucket)


def test_every_version_is_read_by_its_id_at_both_sites(edge, cloud, versioned):
    bodies = {put(edge, versioned, body): body for body in (b"one", b"two", b"")}
    assert len(bodies) == 3
    for client in (edge, cloud):
        assert read(client, versioned) == b""
        for version_id, body in bodies.items():
            got = client.get_object(Bucket=versioned, Key="key", VersionId=version_id)
            assert (got["VersionId"], got["Body"].read()) == (version_id, body)
            head = client.head_object(Bucket=versioned, Key="key", VersionId=version_id)
            assert (head["VersionId"], head["ContentLength"]) == (version_id, len(body))
    newest = edge.head_object(Bucket=versioned, Key="key")["VersionId"]
    assert bodies[newest] == b""


def test_a_bucket_that_never_kept_versions_tells_no_ids(edge, bucket):
    assert "VersionId" not in edge.put_object(Bucket=bucket, Key="key", Body=b"x")
    for _ in range(2):  # the second time from memory
        assert "VersionId" not in edge.get_object(Bucket=bucket, Key="key")
    assert "VersionId" not in edge.delete_object(Bucket=bucket, Key="key")


def test_what_was_there_before_is_the_version_null(edge, cloud, bucket):
    edge.put_object(Bucket=bucket, Key="key", Body=b"before")
    set_versioning(cloud, bucket, "Enabled")
    for _ in range(2):
        assert edge.get_object(Bucket=bucket, Key="key")["VersionId"] == "null"
    later = put(edge, bucket, b"later")
    assert read(cloud, bucket, VersionId="null") == b"before"
    assert history(edge, bucket) == [("key", later, True), ("key", "null", False)]


def test_a_suspended_bucket_replaces_the_version_null_only(edge, bucket):
    set_versioning(edge, bucket, "Enabled")
    kept = put(edge, bucket, b"kept")
    set_versioning(edge, bucket, "Suspended")
    assert put(edge, bucket, b"one") == "null"
    assert put(edge, bucket, b"two") == "null"
    assert history(edge, bucket) == [("key", "null", True), ("key", kept, False)]
    assert read(edge, bucket) == b"two"
    assert read(edge, bucket, VersionId=kept) == b"kept"


def test_a_deletion_hides_the_object_behind_a_marker(edge, cloud, versioned):
    version_id = put(edge, versioned, b"hidden")
    assert read(cloud, versioned) == b"hidden"
    deleted = edge.delete_object(Bucket=versioned, Key="key")
    marker = deleted["VersionId"]
    assert deleted["DeleteMarker"] is True
    for client in (edge, cloud, edge, cloud):  # the second time from memory
        code, status, headers = failure(client.get_object, Bucket=versioned, Key="key")
        assert (code, status) == ("NoSuchKey", 404)
        assert (headers["x-amz-delete-marker"], headers["x-amz-version-id"]) == ("true", marker)
        code, status, headers = failure(client.head_object, Bucket=versioned, Key="key")
        assert (code, status, headers["x-amz-delete-marker"]) == ("404", 404, "true")
        assert "Contents" not in client.list_objects_v2(Bucket=versioned)
        assert read(client, versioned, VersionId=version_id) == b"hidden"


def test_a_marker_itself_can_only_be_deleted(edge, versioned):
    put(edge, versioned, b"hidden")
    marker = edge.delete_object(Bucket=versioned, Key="key")["VersionId"]
    for call in (edge.get_object, edge.head_object, edge.get_object_tagging):
        code, status, headers = failure(call, Bucket=versioned, Key="key", VersionId=marker)
        assert (code, status) in {("MethodNotAllowed", 405), ("405", 405)}
        assert (headers["x-amz-delete-marker"], headers["allow"]) == ("true", "DELETE")
        assert "GMT" in headers["last-modified"]
    removed = edge.delete_object(Bucket=versioned, Key="key", VersionId=marker)
    assert (removed["DeleteMarker"], removed["VersionId"]) == (True, marker)
    assert read(edge, versioned) == b"hidden"


def test_a_marker_may_be_put_where_nothing_was_and_written_over(edge, versioned):
    marker = edge.delete_object(Bucket=versioned, Key="key")["VersionId"]
    assert history(edge, versioned) == [("key", marker, True)]
    new = edge.put_object(Bucket=versioned, Key="key", Body=b"new", IfNoneMatch="*")["VersionId"]
    assert history(edge, versioned) == [("key", new, True), ("key", marker, False)]
    assert read(edge, versioned) == b"new"


def test_a_suspended_bucket_has_one_marker_null(edge, bucket):
    set_versioning(edge, bucket, "Enabled")
    kept = put(edge, bucket, b"kept")
    set_versioning(edge, bucket, "Suspended")
    put(edge, bucket, b"gone")
    for _ in range(2):
        deleted = edge.delete_object(Bucket=bucket, Key="key")
        assert (deleted["DeleteMarker"], deleted["VersionId"]) == (True, "null")
    assert history(edge, bucket) == [("key", kept, False), ("key", "null", True)]


def test_removing_the_newest_version_brings_the_one_before_back(edge, cloud, versioned):
    first, second = put(edge, versioned, b"first"), put(cloud, versioned, b"second")
    assert read(cloud, versioned) == b"second"
    gone = edge.delete_object(Bucket=versioned, Key="key", VersionId=second)
    assert gone["VersionId"] == second
    assert "DeleteMarker" not in gone
    assert read(cloud, versioned) == b"first"
    assert failure(cloud.get_object, Bucket=versioned, Key="key", VersionId=second)[:2] == (
        "NoSuchVersion",
        404,
    )
    assert history(cloud, versioned) == [("key", first, True)]


def test_many_are_deleted_each_as_it_is_asked(edge, versioned):
    a, b = put(edge, versioned, b"a", "a"), put(edge, versioned, b"b", "b")
    marker = edge.delete_object(Bucket=versioned, Key="b")["VersionId"]
    wanted = [
        {"Key": "a"},
        {"Key": "b", "VersionId": marker},
        {"Key": "b", "VersionId": b},
        {"Key": "b", "VersionId": UNKNOWN},
        {"Key": "b", "VersionId": "no id"},
    ]
    answer = edge.delete_objects(Bucket=versioned, Delete={"Objects": wanted})
    hidden, unmarked, removed, never = answer["Deleted"]
    assert (hidden["Key"], hidden["DeleteMarker"], "VersionId" in hidden) == ("a", True, False)
    assert unmarked == {
        "Key": "b",
        "VersionId": marker,
        "DeleteMarker": True,
        "DeleteMarkerVersionId": marker,
    }
    assert removed == {"Key": "b", "VersionId": b}
    assert never == {"Key": "b", "VersionId": UNKNOWN}
    assert [(line["VersionId"], line["Code"]) for line in answer["Errors"]] == [("no id", "InvalidArgument")]
    assert history(edge, versioned) == [("a", a, False), ("a", hidden["DeleteMarkerVersionId"], True)]


@pytest.mark.parametrize("verb", ["get_object", "delete_object", "get_object_tagging"])
@pytest.mark.parametrize("version_id", ["no id", "0" * 31, "0" * 33, "../../etc"])
def test_what_cannot_be_a_version_id_is_an_invalid_argument(edge, versioned, verb, version_id):
    put(edge, versioned, b"x")
    call = getattr(edge, verb)
    assert refusal(call, Bucket=versioned, Key="key", VersionId=version_id) == ("InvalidArgument", 400)


def test_an_empty_version_id_is_an_invalid_argument(raw: RawClient, edge, versioned):
    put(edge, versioned, b"x")
    for method in ("GET", "DELETE"):
        answer = raw.request(method, path_of(versioned, "key"), "versionId=")
        assert (answer.status, answer.code) == (400, "InvalidArgument")


def test_a_version_that_may_be_and_is_not_is_no_such_version(edge, versioned):
    put(edge, versioned, b"x", "other")
    other = edge.head_object(Bucket=versioned, Key="other")["VersionId"]
    put(edge, versioned, b"x")
    for version_id in (UNKNOWN, other, "null"):
        found = refusal(edge.get_object, Bucket=versioned, Key="key", VersionId=version_id)
        assert found == ("NoSuchVersion", 404)
    assert edge.delete_object(Bucket=versioned, Key="key", VersionId=UNKNOWN)["VersionId"] == UNKNOWN


def test_a_history_is_listed_in_pages_of_any_size(edge, versioned, raw: RawClient):
    for key in ("a/1", "a/2", "b"):
        for body in (b"1", b"22"):
            put(edge, versioned, body, key)
    edge.delete_object(Bucket=versioned, Key="a/2")
    whole = raw.request("GET", f"/{versioned}", "versions")
    texts = whole.body.decode()
    order = [
        part.split(">")[0] for part in texts.split("<") if part.startswith(("Version>", "DeleteMarker>"))
    ]
    assert order == ["Version", "Version", "DeleteMarker", *["Version"] * 4]  # S3 has them in one list
    wanted = sorted(history(edge, versioned))
    assert len(wanted) == 7
    for size in (1, 2, 3, 7):
        pages = edge.get_paginator("list_object_versions").paginate(
            Bucket=versioned, PaginationConfig={"PageSize": size}
        )
        found = [
            (line["Key"], line["VersionId"], line["IsLatest"])
            for page in pages
            for line in page.get("Versions", []) + page.get("DeleteMarkers", [])
        ]
        assert sorted(found) == wanted
        assert len(found) == 7
    assert [key for key, _, _ in history(edge, versioned, Prefix="a/2")] == ["a/2"] * 3
    rolled = edge.list_object_versions(Bucket=versioned, Delimiter="/")
    assert rolled["CommonPrefixes"] == [{"Prefix": "a/"}]
    assert [line["Key"] for line in rolled["Versions"]] == ["b", "b"]


def test_lists_say_who_wrote(edge, versioned):
    put(edge, versioned, b"x")
    edge.delete_object(Bucket=versioned, Key="key")
    page = edge.list_object_versions(Bucket=versioned)
    assert [line["Owner"]["ID"] for line in page["Versions"] + page["DeleteMarkers"]] == ["admin"] * 2
    put(edge, versioned, b"x")
    assert edge.list_objects(Bucket=versioned)["Contents"][0]["Owner"]["ID"] == "admin"


def test_a_bucket_with_versions_is_not_empty(edge, versioned):
    version_id = put(edge, versioned, b"x")
    marker = edge.delete_object(Bucket=versioned, Key="key")["VersionId"]
    assert refusal(edge.delete_bucket, Bucket=versioned) == ("BucketNotEmpty", 409)
    edge.delete_object(Bucket=versioned, Key="key", VersionId=version_id)
    assert refusal(edge.delete_bucket, Bucket=versioned) == ("BucketNotEmpty", 409)
    edge.delete_object(Bucket=versioned, Key="key", VersionId=marker)
    edge.delete_bucket(Bucket=versioned)


def test_an_older_version_is_copied_and_told(edge, cloud, versioned):
    first = put(edge, versioned, b"first")
    put(edge, versioned, b"second")
    source = {"Bucket": versioned, "Key": "key", "VersionId": first}
    copied = cloud.copy_object(Bucket=versioned, Key="copy", CopySource=source)
    assert copied["CopySourceVersionId"] == first
    assert read(edge, versioned, "copy", VersionId=copied["VersionId"]) == b"first"
    restored = edge.copy_object(Bucket=versioned, Key="key", CopySource=source)  # onto itself
    assert restored["VersionId"] != first
    assert read(cloud, versioned) == b"first"
    etag = edge.head_object(Bucket=versioned, Key="key", VersionId=first)["ETag"]
    refused = refusal(
        edge.copy_object, Bucket=versioned, Key="copy", CopySource=source, CopySourceIfNoneMatch=etag
    )
    assert refused == ("PreconditionFailed", 412)


def test_a_part_is_copied_from_an_older_version(edge, versioned):
    first = put(edge, versioned, b"first")
    put(edge, versioned, b"second")
    upload = edge.create_multipart_upload(Bucket=versioned, Key="joined")["UploadId"]
    where = {"Bucket": versioned, "Key": "joined", "UploadId": upload}
    source = {"Bucket": versioned, "Key": "key", "VersionId": first}
    part = edge.upload_part_copy(**where, PartNumber=1, CopySource=source, CopySourceRange="bytes=1-3")
    assert part["CopySourceVersionId"] == first
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["CopyPartResult"]["ETag"]}]}
    done = edge.complete_multipart_upload(**where, MultipartUpload=parts)
    assert read(edge, versioned, "joined", VersionId=done["VersionId"]) == b"irs"


def test_a_marker_is_no_source_of_a_copy(edge, versioned):
    put(edge, versioned, b"x")
    marker = edge.delete_object(Bucket=versioned, Key="key")["VersionId"]
    source = {"Bucket": versioned, "Key": "key"}
    copy = {"Bucket": versioned, "Key": "copy"}
    assert refusal(edge.copy_object, **copy, CopySource=source) == ("NoSuchKey", 404)
    for version_id, code in (
        (marker, "InvalidRequest"),
        (UNKNOWN, "NoSuchVersion"),
        ("x", "InvalidArgument"),
    ):
        refused = refusal(edge.copy_object, **copy, CopySource={**source, "VersionId": version_id})
        assert refused[0] == code


@pytest.mark.parametrize("status", ["", "Enabled"])
def test_completing_again_gives_the_same_answer(edge, cloud, bucket, status):
    if status:
        set_versioning(edge, bucket, status)
    upload = edge.create_multipart_upload(Bucket=bucket, Key="key", ChecksumAlgorithm="CRC32C")["UploadId"]
    where = {"Bucket": bucket, "Key": "key", "UploadId": upload}
    part = edge.upload_part(**where, PartNumber=1, Body=b"part", ChecksumAlgorithm="CRC32C")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"], "ChecksumCRC32C": part["ChecksumCRC32C"]}]}
    names = ("ETag", "Bucket", "Key", "ChecksumCRC32C", "ChecksumType", "VersionId")
    done = edge.complete_multipart_upload(**where, MultipartUpload=parts)
    assert ("VersionId" in done) == bool(status)
    for client in (edge, cloud):
        again = client.complete_multipart_upload(**where, MultipartUpload=parts)
        assert {name: again.get(name) for name in names} == {name: done.get(name) for name in names}
    if status:
        put(edge, bucket, b"newer")
        again = cloud.complete_multipart_upload(**where, MultipartUpload=parts)
        assert again["VersionId"] == done["VersionId"]
    wrong = {**where, "Key": "other"}
    assert refusal(edge.complete_multipart_upload, **wrong, MultipartUpload=parts) == ("NoSuchUpload", 404)
