"""The S3 wire against botocore's own serializer and parser, and against what no SDK would send."""

import contextlib
import datetime as dt
from urllib.parse import quote, unquote, unquote_plus

import pytest
from botocore.awsrequest import HeadersDict
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from s3_shapes import SUPPORTED, buckets, header_texts, keys, operation_model, service_model, structures

from continuum.store.errors import ERRORS, S3Error
from continuum.store.gateway.wire import (
    MAX_DOCUMENT_BYTES,
    encode_key,
    format_error,
    format_output,
    parse_input,
    route,
)

serializer = create_serializer("rest-xml", include_validation=False)
parser = create_parser("rest-xml")
# A deprecated operation has the same request as a newer one; the two others go to other endpoints.
OPERATIONS = sorted(
    name
    for name in service_model().operation_names
    if not operation_model(name).deprecated and name not in {"ListDirectoryBuckets", "WriteGetObjectResponse"}
)


def refusal(call, *args, **kwargs) -> S3Error:
    with pytest.raises(S3Error) as caught:
        call(*args, **kwargs)
    return caught.value


# ---- requests ----


def as_sent(operation: str, parameters: dict) -> tuple[str, bytes, bytes, dict[str, str], bytes]:
    """Serialise a request as botocore does: method, path, query, headers, body."""
    request = serializer.serialize_to_request(parameters, operation_model(operation))
    path, _, literal = request["url_path"].partition("?")
    pairs = [(name, str(value)) for name, value in request["query_string"].items()]
    query = "&".join([*filter(None, [literal]), *(f"{quote(n)}={quote(v, safe='')}" for n, v in pairs)])
    headers = {name.lower(): str(value) for name, value in request["headers"].items()}
    body = request["body"]
    return request["method"], path.encode(), query.encode(), headers, body if isinstance(body, bytes) else b""


def minimal(operation: str) -> dict:
    """Return the parameters that an operation cannot do without."""
    shape = operation_model(operation).input_shape
    scalars = {"integer": 1, "long": 1, "boolean": True, "timestamp": dt.datetime(2026, 1, 1, tzinfo=dt.UTC)}

    def value(member):
        if member.type_name == "structure":
            return {name: value(member.members[name]) for name in member.required_members}
        if member.type_name == "list":
            return [value(member.member)]
        enum = getattr(member, "enum", None)
        return enum[0] if enum else scalars.get(member.type_name, "text")

    return {name: value(shape.members[name]) for name in shape.required_members} if shape else {}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_of_the_model_is_recognised(operation):
    method, path, query, headers, _ = as_sent(operation, minimal(operation))
    routed = route(method, path, query, headers)
    assert routed.operation == operation
    assert route(method, path, query + b"&x-id=" + operation.encode(), headers).operation == operation


def parameters(operation: str):
    shape = operation_model(operation).input_shape
    if shape is None:
        return st.just({})
    replies = {name: header_texts for name in shape.members if name.startswith("Response")}
    replies.pop("ResponseExpires", None)
    return structures(shape, fixed={"Bucket": buckets, "Key": keys, **replies})


@pytest.mark.parametrize("operation", SUPPORTED)
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_what_botocore_serialises_is_read_back(operation, data):
    given_parameters = data.draw(parameters(operation))
    method, path, query, headers, body = as_sent(operation, given_parameters)
    body = body.replace(b"\r", b"&#xD;")  # botocore does so in a later step
    routed = route(method, path, query, headers)
    assert routed.operation == operation
    assert parse_input(operation, routed, headers, body) == given_parameters


@pytest.mark.parametrize(
    ("path", "bucket", "key"),
    [
        ("/", "", ""),
        ("/bucket", "bucket", ""),
        ("/bucket/", "bucket", ""),
        ("/bucket/key", "bucket", "key"),
        ("/bucket/a/b/", "bucket", "a/b/"),
        ("/bucket//", "bucket", "/"),
        ("/bucket//a//b", "bucket", "/a//b"),
        ("/bucket/..", "bucket", ".."),
        ("/bucket/../other", "bucket", "../other"),
        ("/bucket/a%2Fb", "bucket", "a/b"),
        ("/bucket/a+b%2Bc%20d%25", "bucket", "a+b+c d%"),
        ("/bucket/%E6%9D%B1", "bucket", "東"),
        ("/bucket/東", "bucket", "東"),
        ("/bucket/%00%0a", "bucket", "\0\n"),
        ("/bucket/a%3Fb%23", "bucket", "a?b#"),
        ("/bucket/" + "k" * 1024, "bucket", "k" * 1024),
        ("/bucket/" + "%E6%9D%B1" * 341 + "x", "bucket", "東" * 341 + "x"),
    ],
)
def test_bucket_and_key_are_read_from_the_path(path, bucket, key):
    routed = route("GET", path.encode(), b"", {})
    assert (routed.bucket, routed.key) == (bucket, key)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("*", "InvalidURI"),
        ("http://host/bucket", "InvalidURI"),
        ("//key", "InvalidURI"),
        ("/bucket/%FF", "InvalidURI"),
        ("/%FF", "InvalidURI"),
        ("/-/metrics", "InvalidBucketName"),
        ("/b%20cket/key", "InvalidBucketName"),
        ("/b", "InvalidBucketName"),
        ("/" + "b" * 256, "InvalidBucketName"),
        ("/bucket/" + "k" * 1025, "KeyTooLongError"),
        ("/bucket/" + "k" * 9000, "KeyTooLongError"),
        ("/bucket/" + "%E6%9D%B1" * 342, "KeyTooLongError"),
    ],
)
def test_paths_that_name_nothing_are_refused(path, code):
    assert refusal(route, "GET", path.encode("latin-1"), b"", {}).code == code


@pytest.mark.parametrize(
    ("host", "path", "bucket", "key"),
    [
        ("photos.s3.example.org", "/a/b", "photos", "a/b"),
        ("photos.s3.example.org:8002", "/", "photos", ""),
        ("a.b.S3.Example.org", "//x", "a.b", "/x"),
        ("s3.example.org", "/photos/a", "photos", "a"),
        ("127.0.0.1:8002", "/photos/a", "photos", "a"),
    ],
)
def test_a_host_under_the_domain_names_the_bucket(host, path, bucket, key):
    routed = route("GET", path.encode(), b"", {"host": host}, domain="s3.example.org")
    assert (routed.bucket, routed.key) == (bucket, key)


@pytest.mark.parametrize(
    ("method", "path", "query", "code"),
    [
        ("PUT", "/bucket/key", "uploadId=x", "InvalidArgument"),
        ("PUT", "/bucket/key", "partNumber=1", "InvalidArgument"),
        ("PUT", "/bucket/key", "versions", "InvalidArgument"),
        ("DELETE", "/bucket/key", "legal-hold", "InvalidArgument"),
        ("HEAD", "/bucket", "acl", "InvalidArgument"),
        ("POST", "/bucket/key", "", "MethodNotAllowed"),
        ("POST", "/bucket", "acl", "MethodNotAllowed"),
        ("POST", "/", "", "MethodNotAllowed"),
        ("DELETE", "/", "", "MethodNotAllowed"),
        ("PATCH", "/bucket/key", "", "MethodNotAllowed"),
        ("GET", "/bucket", "prefix=%FF", "InvalidURI"),
    ],
)
def test_requests_that_are_no_operation_are_refused(method, path, query, code):
    assert refusal(route, method, path.encode(), query.encode(), {}).code == code


def test_a_browser_upload_is_named():
    assert route("POST", b"/bucket", b"", {}).operation == "PostObject"


def test_the_query_is_decoded_and_of_a_repeated_name_the_first_counts():
    routed = route("GET", b"/bucket", b"prefix=a+b%2B%E6%9D%B1&delimiter&prefix=no&&x-id=y&prefix", {})
    assert routed.query == {"prefix": "a b+東", "delimiter": "", "x-id": "y"}


def listing(query: str):
    routed = route("GET", b"/bucket", query.encode(), {})
    return parse_input(routed.operation, routed, {})


@pytest.mark.parametrize("text", ["x", "-1", "1.5", "2147483648", "9" * 5000, "", "٣"])
def test_numbers_that_are_none_are_refused(text):
    error = refusal(listing, f"max-keys={quote(text)}")
    assert error.code == "InvalidArgument"
    assert error.extra["ArgumentName"] == "max-keys"


def test_values_outside_an_enumeration_are_refused():
    assert refusal(listing, "encoding-type=base64").code == "InvalidArgument"
    routed = route("PUT", b"/bucket/key", b"", {})
    error = refusal(parse_input, "PutObject", routed, {"x-amz-storage-class": "CHEAP"})
    assert error.code == "InvalidStorageClass"


def test_a_reply_header_asked_for_in_the_query_cannot_break_the_reply():
    for value in ("a%0D%0AX-Evil: 1", "a%00b"):
        routed = route("GET", b"/bucket/key", f"response-content-disposition={value}".encode(), {})
        assert refusal(parse_input, "GetObject", routed, {}).code == "InvalidArgument"
    routed = route("GET", b"/bucket/key", "response-content-disposition=ü東".encode(), {})
    found = parse_input("GetObject", routed, {})["ResponseContentDisposition"]
    assert found.encode("latin-1") == "ü東".encode()


def test_dates_of_conditions_that_cannot_be_read_are_left_out():
    routed = route("GET", b"/bucket/key", b"", {})
    headers = {"if-modified-since": "yesterday", "if-unmodified-since": "Tue, 14 Nov 2023 22:13:20 GMT"}
    assert parse_input("GetObject", routed, headers) == {
        "Bucket": "bucket",
        "Key": "key",
        "IfUnmodifiedSince": dt.datetime(2023, 11, 14, 22, 13, 20, tzinfo=dt.UTC),
    }


wild_headers = st.dictionaries(
    st.sampled_from(
        ["content-length", "expires", "if-modified-since", "x-amz-storage-class", "x-amz-meta-a", "range"]
    ),
    st.text(st.characters(max_codepoint=255), max_size=20),
)


@given(wild_headers, st.sampled_from(["GetObject", "PutObject", "CopyObject", "CreateMultipartUpload"]))
def test_no_headers_make_reading_fail_in_another_way(headers, operation):
    with contextlib.suppress(S3Error):
        parse_input(operation, route("GET", b"/bucket/key", b"", {}), headers)


# ---- XML bodies ----

DELETE = route("POST", b"/bucket", b"delete", {})


def delete(body: str | bytes):
    return parse_input("DeleteObjects", DELETE, {}, body.encode() if isinstance(body, str) else body)[
        "Delete"
    ]


@pytest.mark.parametrize(
    "body",
    [
        "<Delete><Object><Key>a&amp;b</Key></Object><Quiet>true</Quiet></Delete>",
        '<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Quiet>true</Quiet><Object><Key>a&#38;b</Key></Object></Delete>',
        '<?xml version="1.0"?>\n<x:Delete xmlns:x="urn:y">\n <x:Object> <x:Key>a<![CDATA[&b]]></x:Key>\n'
        "<x:Other/></x:Object>\n"
        "<x:Quiet>TRUE</x:Quiet></x:Delete>",
    ],
)
def test_a_document_is_read_however_it_is_spelled(body):
    assert delete(body) == {"Objects": [{"Key": "a&b"}], "Quiet": True}


@pytest.mark.parametrize(
    "body",
    [
        "no xml",
        "<Delete>",
        "<Delete/><Delete/>",
        "<Delete/>",  # an object is required
        "<Delete><Object/></Delete>",
        "<Other><Object><Key>a</Key></Object></Other>",
        "<Delete><Object><Key>a</Key><Key>b</Key></Object></Delete>",
        "<Delete><Object><Key>a</Key></Object><Quiet>perhaps</Quiet></Delete>",
        "<Delete><Object><Key>a</Key><Size>big</Size></Object></Delete>",
        "<Delete><Object><Key>&unknown;</Key></Object></Delete>",
        "<Delete><Object><Key>\x01</Key></Object></Delete>",
        b"<Delete><Object><Key>\xff</Key></Object></Delete>",
        b'<?xml version="1.0" encoding="rot13"?><Delete><Object><Key>a</Key></Object></Delete>',
        "<!DOCTYPE Delete><Delete><Object><Key>a</Key></Object></Delete>",
        '<!DOCTYPE d [<!ENTITY a "aaaa">]><Delete><Object><Key>&a;</Key></Object></Delete>',
        '<!DOCTYPE d [<!ENTITY a SYSTEM "file:///etc/passwd">]><Delete><Object><Key>&a;</Key></Object></Delete>',
        '<!DOCTYPE d SYSTEM "http://127.0.0.1/x.dtd"><Delete><Object><Key>a</Key></Object></Delete>',
        "<Delete>" + "<a>" * 1000 + "</a>" * 1000 + "</Delete>",
    ],
)
def test_documents_that_are_malformed_or_malicious_are_refused(body):
    assert refusal(delete, body).code == "MalformedXML"


def test_an_attack_in_another_encoding_is_refused_too():
    body = '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE d [<!ENTITY a "a">]><Delete/>'
    assert refusal(delete, body.encode("utf-16")).code == "MalformedXML"


def test_a_document_that_is_too_long_is_refused_before_it_is_parsed():
    assert refusal(delete, b"<" * (MAX_DOCUMENT_BYTES + 1)).code == "MaxMessageLengthExceeded"


def test_a_body_that_is_required_must_be_there():
    assert refusal(delete, b"").code == "MissingRequestBodyError"


@given(st.binary(max_size=300))
def test_no_bytes_make_the_parser_fail_in_another_way(body):
    if body:
        assert refusal(delete, body).code == "MalformedXML"


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_no_request_line_makes_routing_fail_in_another_way(path, query):
    with contextlib.suppress(S3Error):
        route("GET", path, query, {})


# ---- replies ----


def as_parsed(operation: str, status: int, headers: dict[str, str], body: bytes) -> dict:
    response = {"status_code": status, "headers": HeadersDict(headers), "body": body}
    parsed = parser.parse(response, operation_model(operation).output_shape)
    parsed.pop("ResponseMetadata", None)
    return parsed


def results(operation: str):
    skip = frozenset({"LocationConstraint"}) if operation == "GetBucketLocation" else frozenset[str]()
    return structures(operation_model(operation).output_shape, skip=skip)


def without_emptiness(value):
    """botocore leaves out a flattened list without items and a map without entries."""
    return {name: member for name, member in value.items() if member not in ([], {})}


WITH_RESULT = [name for name in SUPPORTED if operation_model(name).output_shape]


@pytest.mark.parametrize("operation", WITH_RESULT)
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_what_we_write_botocore_reads_back(operation, data):
    result = data.draw(results(operation))
    parsed = as_parsed(operation, *format_output(operation, result))
    parsed.pop("Body", None)
    assert without_emptiness(parsed) == without_emptiness(result)


@pytest.mark.parametrize(
    ("operation", "root"),
    [
        ("ListBuckets", b"ListAllMyBucketsResult"),
        ("ListObjects", b"ListBucketResult"),
        ("ListObjectsV2", b"ListBucketResult"),
        ("ListObjectVersions", b"ListVersionsResult"),
        ("CopyObject", b"CopyObjectResult"),
        ("UploadPartCopy", b"CopyPartResult"),
        ("DeleteObjects", b"DeleteResult"),
        ("CreateMultipartUpload", b"InitiateMultipartUploadResult"),
        ("CompleteMultipartUpload", b"CompleteMultipartUploadResult"),
        ("ListParts", b"ListPartsResult"),
        ("ListMultipartUploads", b"ListMultipartUploadsResult"),
        ("GetObjectAttributes", b"GetObjectAttributesResponse"),
    ],
)
def test_documents_have_the_root_and_namespace_of_s3(operation, root):
    _, headers, body = format_output(operation, {})
    namespace = b'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
    assert body == b'<?xml version="1.0" encoding="UTF-8"?>\n<%b %b></%b>' % (root, namespace, root)
    assert headers["Content-Type"] == "application/xml"


@pytest.mark.parametrize(
    ("operation", "status"),
    [("DeleteObject", 204), ("DeleteBucket", 204), ("AbortMultipartUpload", 204), ("PutObject", 200)],
)
def test_replies_without_a_document_have_no_body(operation, status):
    assert format_output(operation, {}) == (status, {}, b"")


def test_the_location_of_a_bucket_is_the_text_of_the_root():
    body = format_output("GetBucketLocation", {"LocationConstraint": "edge"})[2]
    assert body.endswith(
        b'<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/">edge</LocationConstraint>'
    )
    assert format_output("GetBucketLocation", {})[2].endswith(b"></LocationConstraint>")


def test_instants_may_be_seconds_and_are_written_as_s3_does():
    headers = format_output("HeadObject", {"LastModified": 1_700_000_000.75, "Expires": "never"})[1]
    assert headers == {"Last-Modified": "Tue, 14 Nov 2023 22:13:20 GMT", "Expires": "never"}
    body = format_output("CopyObject", {"CopyObjectResult": {"LastModified": 1_700_000_000.75}})[2]
    assert b"<LastModified>2023-11-14T22:13:20.750Z</LastModified>" in body


ENTRY = {"Key": "k", "LastModified": 1.5, "ETag": '"e"', "Size": 3, "StorageClass": "STANDARD"}


def test_the_short_way_of_pages_writes_what_the_general_way_writes():
    extra = {
        "ChecksumAlgorithm": ["CRC32"],
        "ChecksumType": "FULL_OBJECT",
        "Owner": {"ID": "o"},
        "Key": "<&\r\x01",
    }
    for entry in (ENTRY, {**ENTRY, **extra}, {**ENTRY, "Size": None}, {"Key": "k"}):
        _, _, body = format_output("ListObjectsV2", {"Contents": [entry]})
        for name, text in (("Key", "k"), ("Size", "3"), ("ID", "o")):
            assert (f"<{name}>{text}</{name}>".encode() in body) == (
                str(entry.get(name, entry.get("Owner", {}).get(name))) == text
            )
        if "Owner" in entry:
            assert b"<Key>&lt;&amp;&#xD;&#x1;</Key>" in body


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=40))
def test_a_key_encoded_for_a_url_is_plain_and_decodes_to_itself(key):
    encoded = encode_key(key)
    assert encoded.isascii()
    assert unquote(encoded) == unquote_plus(encoded) == key


# ---- errors ----


def test_an_error_document_is_what_botocore_expects():
    status, body = format_error(
        "NoSuchKey", "Nothing <here>", "/bucket/a&b", "4442587FB7D0A2F9", {"Key": "a&b\x01"}
    )
    assert status == 404
    assert body.decode() == (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        "<Error><Code>NoSuchKey</Code><Message>Nothing &lt;here&gt;</Message><Key>a&amp;b&#x1;</Key>"
        "<Resource>/bucket/a&amp;b</Resource><RequestId>4442587FB7D0A2F9</RequestId></Error>"
    )
    body = format_error("NoSuchKey", "Nothing", "/bucket/key", "1")[1]
    response = {"status_code": 404, "headers": {}, "body": body}
    parsed = parser.parse(response, operation_model("GetObject").output_shape)
    assert parsed["Error"] == {"Code": "NoSuchKey", "Message": "Nothing", "Resource": "/bucket/key"}


def test_every_code_has_a_status_and_words_and_an_unknown_one_is_ours():
    for code, (status, message) in ERRORS.items():
        assert 300 <= status <= 503
        assert message
        assert S3Error(code).status == status
    assert format_error("Strange", "x", "/", "1")[0] == 500
