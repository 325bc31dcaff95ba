"""One request of the load, as boto3 makes it, and what its reply says; wrong bytes are noticed here."""

from typing import Any

import msgspec

from benchmarks.chaos.bodies import find_fault, make_body, read_token

PART_BYTES = 5 * 1024 * 1024
WRITE, SIZE = "write", "size"  # names of the user metadata that every object carries


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked. `token` and `size_bytes` of what is written, `expected` and `if_match` of what must be
    there; `start`, `length` of a range; `etag` as the written bytes will have it."""

    operation: str
    bucket: str
    key: str
    token: str = ""
    size_bytes: int = 0
    expected: str = ""
    if_match: str = ""
    source: str = ""
    version_id: str = ""
    start: int = 0
    length: int = 0
    etag: str = ""


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What a reply says; see `Record`."""

    token: str = ""
    body: str = ""
    etag: str = ""
    version_id: str = ""
    size_bytes: int = 0
    listed: dict[str, str] | None = None
    problem: str = ""


def perform(client: Any, request: Request) -> Reply:
    """Send a request. Raises what boto3 raises."""
    reply: Reply = _PERFORMERS[request.operation](client, request)
    return reply


def _place(request: Request) -> dict[str, Any]:
    return {"Bucket": request.bucket, "Key": request.key}


def _put(client: Any, request: Request) -> Reply:
    conditions: dict[str, str] = {}
    if request.operation == "create":
        conditions["IfNoneMatch"] = "*"
    if request.operation == "replace":
        conditions["IfMatch"] = request.if_match
    answer = client.put_object(
        **_place(request),
        **conditions,
        Body=make_body(request.token, request.size_bytes),
        Metadata={WRITE: request.token, SIZE: str(request.size_bytes)},
    )
    return _acknowledged(answer, request)


def _acknowledged(answer: dict[str, Any], request: Request) -> Reply:
    etag = answer["ETag"].strip('"')
    wrong = request.etag and etag != request.etag
    problem = f"the ETag {etag} was acknowledged for bytes with {request.etag}" if wrong else ""
    return Reply(etag=etag, version_id=answer.get("VersionId", ""), problem=problem)


def _delete(client: Any, request: Request) -> Reply:
    return Reply(version_id=client.delete_object(**_place(request)).get("VersionId", ""))


def _get(client: Any, request: Request) -> Reply:
    more = {"VersionId": request.version_id} if request.version_id else {}
    answer = client.get_object(**_place(request), **more)
    return _read(answer, answer["Body"].read(), 0)


def _range(client: Any, request: Request) -> Reply:
    last = request.start + request.length - 1
    answer = client.get_object(**_place(request), Range=f"bytes={request.start}-{last}")
    whole = int(answer["ContentRange"].rpartition("/")[2])
    body = answer["Body"].read()
    problem = ""
    if len(body) != min(request.length, whole - request.start):
        problem = f"{len(body)} bytes for {answer['ContentRange']}"
    return _read(answer, body, request.start, problem)


def _read(answer: dict[str, Any], body: bytes, start: int, problem: str = "") -> Reply:
    metadata = answer["Metadata"]
    token, size = metadata.get(WRITE, ""), int(metadata.get(SIZE, 0))
    owner = token
    if start == 0:
        owner, told = read_token(body)
        if told != size and not problem:
            problem = f"the object says {size} bytes, its first block {told}: {body[:64]!r}"
        if owner != token and not metadata.get("copied"):
            problem = problem or f"the object says it is {token}, its bytes are of {owner!r}"
    if not metadata.get("copied") or start == 0:
        problem = problem or find_fault(body, owner, size, start)
    if start == 0 and "ContentRange" not in answer and len(body) != size:
        problem = problem or f"{len(body)} of {size} bytes came"
    return Reply(
        token=token,
        body=owner,
        etag=answer["ETag"].strip('"'),
        version_id=answer.get("VersionId", ""),
        size_bytes=size,
        problem=problem,
    )


def _head(client: Any, request: Request) -> Reply:
    answer = client.head_object(**_place(request))
    metadata = answer["Metadata"]
    size = int(metadata.get(SIZE, 0))
    problem = "" if answer["ContentLength"] == size else f"{answer['ContentLength']} bytes told of {size}"
    return Reply(
        token=metadata.get(WRITE, ""),
        etag=answer["ETag"].strip('"'),
        version_id=answer.get("VersionId", ""),
        size_bytes=size,
        problem=problem,
    )


def _list(client: Any, request: Request) -> Reply:
    listed: dict[str, str] = {}
    token = ""
    while True:
        more = {"ContinuationToken": token} if token else {}
        answer = client.list_objects_v2(Bucket=request.bucket, Prefix=request.key, **more)
        names = [each["Key"] for each in answer.get("Contents", ())]
        problem = "" if names == sorted(names) else f"the list is not in order: {names}"
        listed |= {each["Key"]: each["ETag"].strip('"') for each in answer.get("Contents", ())}
        token = answer.get("NextContinuationToken", "")
        if problem or not token:
            return Reply(listed=listed, problem=problem)


def _versions(client: Any, request: Request) -> Reply:
    pages = client.get_paginator("list_object_versions").paginate(Bucket=request.bucket)
    return Reply(
        listed={each["VersionId"]: each["Key"] for page in pages for each in page.get("Versions", ())}
    )


def _copy(client: Any, request: Request) -> Reply:
    head = client.head_object(Bucket=request.bucket, Key=request.source)
    answer = client.copy_object(
        **_place(request),
        CopySource={"Bucket": request.bucket, "Key": request.source},
        CopySourceIfMatch=head["ETag"],
        MetadataDirective="REPLACE",
        Metadata={WRITE: request.token, SIZE: head["Metadata"][SIZE], "copied": "yes"},
    )
    etag = answer["CopyObjectResult"]["ETag"].strip('"')
    return Reply(etag=etag, version_id=answer.get("VersionId", ""))


def _multipart(client: Any, request: Request) -> Reply:
    place = _place(request)
    body = make_body(request.token, request.size_bytes)
    metadata = {WRITE: request.token, SIZE: str(request.size_bytes)}
    upload_id = client.create_multipart_upload(**place, Metadata=metadata)["UploadId"]
    parts = []
    for number, at in enumerate(range(0, len(body), PART_BYTES), 1):
        piece = body[at : at + PART_BYTES]
        answer = client.upload_part(**place, UploadId=upload_id, PartNumber=number, Body=piece)
        parts.append({"PartNumber": number, "ETag": answer["ETag"]})
    answer = client.complete_multipart_upload(**place, UploadId=upload_id, MultipartUpload={"Parts": parts})
    return _acknowledged(answer, request)


_PERFORMERS = {
    "put": _put,
    "create": _put,
    "replace": _put,
    "delete": _delete,
    "get": _get,
    "version": _get,
    "range": _range,
    "head": _head,
    "list": _list,
    "versions": _versions,
    "copy": _copy,
    "multipart": _multipart,
}
