"""Server-side encryption: with the continuum's master key (SSE-S3) and with customers' keys (SSE-C)."""

import base64
import hashlib
import os

import pytest
from botocore.exceptions import ClientError
from s3_clients import make_client, refusal

from continuum.store import list_master_keys

pytestmark = pytest.mark.system

MIB = 1024 * 1024
KEY, OTHER_KEY = os.urandom(32), os.urandom(32)
CUSTOMER = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": KEY}
WRONG = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": OTHER_KEY}
FROM_CUSTOMER = {"CopySourceSSECustomerAlgorithm": "AES256", "CopySourceSSECustomerKey": KEY}
KEY_MD5 = base64.b64encode(hashlib.md5(KEY).digest()).decode()
SIZES = [0, 1, 4096, 65_479, 65_480, 65_481, 131_008, 300_000, 3 * MIB + 17]
RULE = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}


def md5(body: bytes) -> str:
    return hashlib.md5(body).hexdigest()


def read(client, bucket: str, key: str, **arguments) -> bytes:
    return client.get_object(Bucket=bucket, Key=key, **arguments)["Body"].read()


def encrypt_by_default(client, bucket: str) -> None:
    client.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [RULE]})


def upload(client, where: dict, parts: dict[int, bytes], create: dict, each: dict) -> str:
    upload_id = client.create_multipart_upload(**where, **create)["UploadId"]
    sent = [
        {
            "PartNumber": number,
            "ETag": client.upload_part(**where, UploadId=upload_id, PartNumber=number, Body=body, **each)[
                "ETag"
            ],
        }
        for number, body in parts.items()
    ]
    done = client.complete_multipart_upload(**where, UploadId=upload_id, MultipartUpload={"Parts": sent})
    return done["ETag"]


# ---- SSE-S3 ----


@pytest.mark.parametrize("size", SIZES)
def test_what_is_encrypted_comes_back_at_every_gateway(edge, cloud, bucket, size):
    body = os.urandom(size)
    put = edge.put_object(Bucket=bucket, Key="a", Body=body, ServerSideEncryption="AES256")
    assert put["ServerSideEncryption"] == "AES256"
    assert put["ETag"] == f'"{md5(body)}"'
    for client in (edge, cloud, edge):
        got = client.get_object(Bucket=bucket, Key="a")
        assert got["Body"].read() == body
        assert (got["ServerSideEncryption"], got["ContentLength"]) == ("AES256", size)
        head = client.head_object(Bucket=bucket, Key="a")
        assert (head["ServerSideEncryption"], head["ContentLength"]) == ("AES256", size)
    assert edge.list_objects_v2(Bucket=bucket)["Contents"][0]["Size"] == size


def test_the_store_has_nothing_but_ciphertext(embedded, edge, bucket):
    marks = {key: os.urandom(4096) for key in ("s3", "c", "plain")}
    for key, options in (("s3", {"ServerSideEncryption": "AES256"}), ("c", CUSTOMER), ("plain", {})):
        edge.put_object(Bucket=bucket, Key=key, Body=marks[key], **options)
    files = [path for path in (embedded.home.path / "sites").rglob("*") if path.is_file()]
    stored = [path.read_bytes() for path in files]
    found = {key for key, mark in marks.items() if any(mark in data for data in stored)}
    assert found == {"plain"}


@pytest.mark.parametrize("options", [{"ServerSideEncryption": "AES256"}, CUSTOMER], ids=["sse-s3", "sse-c"])
def test_ranges_of_an_encrypted_object(edge, cloud, bucket, options):
    body = os.urandom(700_000)
    edge.put_object(Bucket=bucket, Key="a", Body=body, **options)
    key = {} if "ServerSideEncryption" in options else options
    for first, last in ((0, 0), (65_479, 65_480), (65_480, 131_007), (131_000, 400_001), (699_999, 699_999)):
        for client in (edge, cloud):
            got = client.get_object(Bucket=bucket, Key="a", Range=f"bytes={first}-{last}", **key)
            assert got["Body"].read() == body[first : last + 1]
            assert got["ContentRange"] == f"bytes {first}-{last}/700000"
    assert read(cloud, bucket, "a", Range="bytes=-5", **key) == body[-5:]
    assert refusal(edge.get_object, Bucket=bucket, Key="a", Range="bytes=700000-", **key) == (
        "InvalidRange",
        416,
    )


def test_a_default_encrypts_what_is_written_from_then_on(edge, cloud, bucket):
    missing = ("ServerSideEncryptionConfigurationNotFoundError", 404)
    assert refusal(edge.get_bucket_encryption, Bucket=bucket) == missing
    edge.put_object(Bucket=bucket, Key="before", Body=b"before")
    encrypt_by_default(edge, bucket)
    found = cloud.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert found == [RULE | {"BucketKeyEnabled": False}]
    assert cloud.put_object(Bucket=bucket, Key="after", Body=b"after")["ServerSideEncryption"] == "AES256"
    assert "ServerSideEncryption" not in edge.head_object(Bucket=bucket, Key="before")
    assert edge.head_object(Bucket=bucket, Key="after")["ServerSideEncryption"] == "AES256"
    edge.delete_bucket_encryption(Bucket=bucket)
    assert refusal(cloud.get_bucket_encryption, Bucket=bucket) == missing
    assert "ServerSideEncryption" not in cloud.put_object(Bucket=bucket, Key="plain", Body=b"plain")
    assert [read(edge, bucket, key) for key in ("before", "after", "plain")] == [
        b"before",
        b"after",
        b"plain",
    ]


def test_keys_of_kms_are_refused_and_never_ignored(edge, bucket):
    kms = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}
    configuration = {"Rules": [kms]}
    assert refusal(
        edge.put_bucket_encryption, Bucket=bucket, ServerSideEncryptionConfiguration=configuration
    ) == ("NotImplemented", 501)
    where = {"Bucket": bucket, "Key": "a"}
    asked = {"ServerSideEncryption": "aws:kms"}
    assert refusal(edge.put_object, **where, **asked) == ("NotImplemented", 501)
    assert refusal(edge.put_object, **where, **asked, SSEKMSKeyId="k") == ("NotImplemented", 501)
    assert refusal(edge.create_multipart_upload, **where, **asked) == ("NotImplemented", 501)
    assert refusal(edge.put_object, **where, ServerSideEncryption="AES128") == (
        "InvalidEncryptionAlgorithmError",
        400,
    )
    assert refusal(edge.head_object, **where)[1] == 404


def test_checksums_are_those_of_the_plain_bytes(edge, cloud, bucket):
    body = os.urandom(400_000)
    put = edge.put_object(
        Bucket=bucket, Key="a", Body=body, ChecksumAlgorithm="SHA256", ServerSideEncryption="AES256"
    )
    assert put["ChecksumSHA256"] == base64.b64encode(hashlib.sha256(body).digest()).decode()
    assert (
        cloud.get_object(Bucket=bucket, Key="a", ChecksumMode="ENABLED")["ChecksumSHA256"]
        == (put["ChecksumSHA256"])
    )
    given = base64.b64encode(hashlib.md5(body).digest()).decode()
    again = edge.put_object(
        Bucket=bucket, Key="b", Body=body, ContentMD5=given, ServerSideEncryption="AES256"
    )
    assert again["ETag"] == f'"{md5(body)}"'
    wrong = base64.b64encode(bytes(16)).decode()
    assert refusal(
        edge.put_object, Bucket=bucket, Key="c", Body=body, ContentMD5=wrong, ServerSideEncryption="AES256"
    ) == ("BadDigest", 400)


# ---- SSE-C ----


@pytest.mark.parametrize("size", [0, 5, 65_480, 300_000, 2 * MIB])
def test_a_customers_key_opens_what_it_sealed_and_nothing_else_does(edge, cloud, bucket, size):
    body = os.urandom(size)
    where = {"Bucket": bucket, "Key": "a"}
    put = edge.put_object(**where, Body=body, **CUSTOMER)
    assert (put["SSECustomerAlgorithm"], put["SSECustomerKeyMD5"]) == ("AES256", KEY_MD5)
    assert "-" in put["ETag"]
    for client in (edge, cloud):
        got = client.get_object(**where, **CUSTOMER)
        assert got["Body"].read() == body
        assert (got["SSECustomerAlgorithm"], got["SSECustomerKeyMD5"]) == ("AES256", KEY_MD5)
        assert "ServerSideEncryption" not in got
        assert client.head_object(**where, **CUSTOMER)["ContentLength"] == size
        assert refusal(client.get_object, **where) == ("InvalidRequest", 400)
        assert refusal(client.get_object, **where, **WRONG) == ("AccessDenied", 403)
        assert refusal(client.head_object, **where)[1] == 400
        assert refusal(client.head_object, **where, **WRONG)[1] == 403


def test_a_key_for_what_is_not_sealed_with_one_is_refused(edge, bucket):
    for key, options in (("plain", {}), ("s3", {"ServerSideEncryption": "AES256"})):
        edge.put_object(Bucket=bucket, Key=key, Body=b"body", **options)
        for call in (edge.get_object, edge.head_object):
            assert refusal(call, Bucket=bucket, Key=key, **CUSTOMER)[1] == 400


@pytest.mark.parametrize(
    "wrong",
    [
        {"algorithm": "AES128"},
        {"algorithm": None},
        {"key": base64.b64encode(bytes(16)).decode()},
        {"key": "%%%"},
        {"key": None},
        {"key-md5": base64.b64encode(bytes(16)).decode()},
        {"key-md5": None},
    ],
    ids=str,
)
def test_incomplete_or_wrong_headers_of_a_customers_key_are_refused(raw, bucket, wrong):
    headers = {"algorithm": "AES256", "key": base64.b64encode(KEY).decode(), "key-md5": KEY_MD5} | wrong
    sent = {
        f"x-amz-server-side-encryption-customer-{name}": value
        for name, value in headers.items()
        if value is not None
    }
    answer = raw.request("PUT", f"/{bucket}/a", headers=sent, body=b"body")
    assert answer.status == 400
    assert answer.code in {"InvalidArgument", "InvalidEncryptionAlgorithmError"}
    assert base64.b64encode(KEY) not in answer.body


def test_both_kinds_at_once_are_refused(edge, bucket):
    assert refusal(edge.put_object, Bucket=bucket, Key="a", ServerSideEncryption="AES256", **CUSTOMER) == (
        "InvalidArgument",
        400,
    )


# ---- in parts ----


@pytest.mark.parametrize(
    ("create", "each"),
    [({"ServerSideEncryption": "AES256"}, {}), (CUSTOMER, CUSTOMER)],
    ids=["sse-s3", "sse-c"],
)
def test_an_encrypted_object_in_parts(edge, cloud, bucket, create, each):
    parts = {2: os.urandom(5 * MIB + 3), 3: os.urandom(5 * MIB), 9: os.urandom(70_001)}
    whole = b"".join(parts.values())
    etag = upload(edge, {"Bucket": bucket, "Key": "a"}, parts, create, each)
    assert etag.endswith('-3"')
    for client in (edge, cloud):
        got = client.get_object(Bucket=bucket, Key="a", **each)
        assert got["Body"].read() == whole
        assert got["ContentLength"] == len(whole)
        for first, last in (
            (0, 10),
            (5 * MIB, 5 * MIB + 5),
            (5 * MIB + 3, 10 * MIB + 2),
            (7 * MIB, 7 * MIB + 99),
            (10 * MIB, len(whole) - 1),
        ):
            part = read(client, bucket, "a", Range=f"bytes={first}-{last}", **each)
            assert part == whole[first : last + 1]
        second = client.get_object(Bucket=bucket, Key="a", PartNumber=2, **each)
        assert second["Body"].read() == parts[3]
        assert second["PartsCount"] == 3
    copied = cloud.copy_object(
        Bucket=bucket,
        Key="copy",
        CopySource={"Bucket": bucket, "Key": "a"},
        **each,
        **(FROM_CUSTOMER if each else {}),
    )
    assert copied["CopyObjectResult"]["ETag"]
    assert read(edge, bucket, "copy", **each) == whole
    assert read(cloud, bucket, "copy", Range="bytes=6000000-11000000", **each) == whole[6000000:11000001]


def test_parts_need_the_key_of_their_upload(edge, cloud, bucket):
    where = {"Bucket": bucket, "Key": "a"}
    begun = edge.create_multipart_upload(**where, **CUSTOMER)
    assert begun["SSECustomerKeyMD5"] == KEY_MD5
    part = where | {"UploadId": begun["UploadId"], "PartNumber": 1, "Body": b"part"}
    assert refusal(cloud.upload_part, **part) == ("InvalidRequest", 400)
    assert refusal(cloud.upload_part, **part, **WRONG) == ("InvalidRequest", 400)
    sent = cloud.upload_part(**part, **CUSTOMER)
    listed = edge.list_parts(**where, UploadId=begun["UploadId"])["Parts"]
    assert [(each["PartNumber"], each["Size"], each["ETag"]) for each in listed] == [(1, 4, sent["ETag"])]
    plain = edge.create_multipart_upload(**where)["UploadId"]
    assert refusal(edge.upload_part, **part | {"UploadId": plain}, **CUSTOMER) == ("InvalidRequest", 400)


# ---- copies ----


@pytest.mark.parametrize("size", [0, 100, 400_000])
def test_copies_between_all_kinds_of_encryption(edge, cloud, bucket, size):
    body = os.urandom(size)
    kinds = {"plain": {}, "s3": {"ServerSideEncryption": "AES256"}, "c": CUSTOMER}
    for name, options in kinds.items():
        edge.put_object(Bucket=bucket, Key=name, Body=body, **options)
    for source in kinds:
        for target, options in kinds.items():
            for client in (edge, cloud):
                key = f"{source} to {target}"
                opening = FROM_CUSTOMER if source == "c" else {}
                copied = client.copy_object(
                    Bucket=bucket, Key=key, CopySource={"Bucket": bucket, "Key": source}, **options, **opening
                )
                got = edge.get_object(Bucket=bucket, Key=key, **(CUSTOMER if target == "c" else {}))
                assert got["Body"].read() == body
                assert got["ETag"] == copied["CopyObjectResult"]["ETag"]
                is_s3 = target == "s3" or (source == "s3" and target == "plain")
                assert got.get("ServerSideEncryption") == copied.get("ServerSideEncryption")
                assert (got.get("ServerSideEncryption") == "AES256") == is_s3
                if target != "c":
                    assert got["ETag"] == f'"{md5(body)}"'


def test_a_copy_needs_the_key_of_its_source(edge, bucket):
    edge.put_object(Bucket=bucket, Key="a", Body=b"body", **CUSTOMER)
    edge.put_object(Bucket=bucket, Key="plain", Body=b"body")
    copy = {"Bucket": bucket, "Key": "b", "CopySource": {"Bucket": bucket, "Key": "a"}}
    wrong = FROM_CUSTOMER | {"CopySourceSSECustomerKey": OTHER_KEY}
    assert refusal(edge.copy_object, **copy) == ("InvalidRequest", 400)
    assert refusal(edge.copy_object, **copy, **wrong) == ("AccessDenied", 403)
    copy["CopySource"] = {"Bucket": bucket, "Key": "plain"}
    assert refusal(edge.copy_object, **copy, **FROM_CUSTOMER) == ("InvalidRequest", 400)


def test_an_object_is_encrypted_by_a_copy_to_itself(edge, cloud, bucket):
    where = {"Bucket": bucket, "Key": "a"}
    edge.put_object(**where, Body=b"body", Metadata={"a": "1"})
    edge.copy_object(**where, CopySource=where, ServerSideEncryption="AES256")
    head = cloud.head_object(**where)
    assert (head["ServerSideEncryption"], head["Metadata"]) == ("AES256", {"a": "1"})
    assert read(cloud, bucket, "a") == b"body"


def test_parts_are_copied_between_kinds_of_encryption(edge, cloud, bucket):
    body = os.urandom(6 * MIB)
    edge.put_object(Bucket=bucket, Key="c", Body=body, **CUSTOMER)
    where = {"Bucket": bucket, "Key": "a"}
    encrypt_by_default(edge, bucket)
    upload_id = cloud.create_multipart_upload(**where)["UploadId"]
    part = where | {"UploadId": upload_id, "CopySource": {"Bucket": bucket, "Key": "c"}}
    etags = [
        cloud.upload_part_copy(
            **part, PartNumber=number, CopySourceRange=f"bytes={first}-{last}", **FROM_CUSTOMER
        )["CopyPartResult"]["ETag"]
        for number, first, last in ((1, 100_000, 5_999_999), (2, 0, 99))
    ]
    chosen = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
    edge.complete_multipart_upload(**where, UploadId=upload_id, MultipartUpload={"Parts": chosen})
    got = edge.get_object(**where)
    assert got["ServerSideEncryption"] == "AES256"
    assert got["Body"].read() == body[100_000:6_000_000] + body[:100]


def test_older_versions_stay_under_their_own_keys(edge, cloud, bucket):
    edge.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    where = {"Bucket": bucket, "Key": "a"}
    first = edge.put_object(**where, Body=b"one", **CUSTOMER)["VersionId"]
    second = cloud.put_object(**where, Body=b"two", ServerSideEncryption="AES256")["VersionId"]
    edge.put_object(**where, Body=b"three")
    assert read(cloud, bucket, "a", VersionId=first, **CUSTOMER) == b"one"
    assert read(cloud, bucket, "a", VersionId=second) == b"two"
    assert read(cloud, bucket, "a") == b"three"
    with pytest.raises(ClientError):
        read(edge, bucket, "a", VersionId=first)


# ---- rotation ----


def test_the_master_key_is_rotated_while_objects_are_read_and_written(embedded, edge, cloud, bucket):
    encrypt_by_default(edge, bucket)
    body = os.urandom(200_000)
    for number in range(3):
        edge.put_object(Bucket=bucket, Key=f"{number}", Body=body)
    edge.put_object(Bucket=bucket, Key="c", Body=body, **CUSTOMER)
    where = {"Bucket": bucket, "Key": "parts"}
    upload_id = edge.create_multipart_upload(**where)["UploadId"]
    part = edge.upload_part(**where, UploadId=upload_id, PartNumber=1, Body=body)
    cloud.get_object(Bucket=bucket, Key="0")
    before = list_master_keys(embedded.home.master_keys_file)
    embedded.continuum("store", "rotate-key")
    after = list_master_keys(embedded.home.master_keys_file)
    assert after[1:] == before
    assert embedded.home.master_keys_file.stat().st_mode & 0o777 == 0o600
    cloud.put_object(Bucket=bucket, Key="new", Body=body)
    chosen = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    cloud.complete_multipart_upload(**where, UploadId=upload_id, MultipartUpload=chosen)
    os.utime(embedded.home.master_keys_file, (1, 1))  # as if it were long ago
    embedded.continuum("store", "rewrap-keys")
    os.utime(embedded.home.master_keys_file, (1, 1))
    embedded.continuum("store", "retire-keys")
    assert list_master_keys(embedded.home.master_keys_file) == after[:1]
    for client in (edge, cloud):
        for key in ("0", "1", "2", "new", "parts"):
            assert read(client, bucket, key) == body
        assert read(client, bucket, "c", **CUSTOMER) == body
    edge.put_object(Bucket=bucket, Key="last", Body=body)
    assert read(cloud, bucket, "last") == body


# ---- forms ----


def test_a_form_is_encrypted_as_its_bucket_says(embedded, edge, cloud, raw, bucket):
    encrypt_by_default(edge, bucket)
    signer = make_client(embedded.gateways["edge"], *embedded.credentials, signature_version="s3v4")
    form = signer.generate_presigned_post(Bucket=bucket, Key="form")
    lines = [
        f'--edge\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in form["fields"].items()
    ]
    file = '--edge\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nbody\r\n--edge--\r\n'
    headers = {"host": raw.host, "content-type": "multipart/form-data; boundary=edge"}
    assert raw.send("POST", f"/{bucket}", headers, "".join([*lines, file]).encode()).status == 204
    got = cloud.get_object(Bucket=bucket, Key="form")
    assert (got["Body"].read(), got["ServerSideEncryption"]) == (b"body", "AES256")
