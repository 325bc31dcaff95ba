"""SigV4 against AWS's published vectors, and against botocore as the oracle."""

import contextlib
import datetime as dt
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from continuum.store.errors import S3Error
from continuum.store.signing import (
    EMPTY_SHA256,
    UNSIGNED_PAYLOAD,
    VerifiedRequest,
    encode_path,
    encode_query,
    parse_authorization,
    presign,
    sign,
    verify,
)

# "Authenticating Requests: Using the Authorization Header", Amazon S3 API Reference.
AWS_ACCESS_KEY = "AKIAIOSFODNN7EXAMPLE"
AWS_SECRET_KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
AWS_HOST = "examplebucket.s3.amazonaws.com"
AWS_NOW = dt.datetime(2013, 5, 24, tzinfo=dt.UTC).timestamp()
PUT_HASH = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"

AWS_VECTORS = {
    "GET object": (
        "GET",
        "/test.txt",
        "",
        {"host": AWS_HOST, "range": "bytes=0-9"},
        EMPTY_SHA256,
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    ),
    "PUT object": (
        "PUT",
        "/test%24file.text",
        "",
        {
            "host": AWS_HOST,
            "date": "Fri, 24 May 2013 00:00:00 GMT",
            "x-amz-storage-class": "REDUCED_REDUNDANCY",
        },
        PUT_HASH,
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
    ),
    "GET bucket lifecycle": (
        "GET",
        "/",
        "lifecycle",
        {"host": AWS_HOST},
        EMPTY_SHA256,
        "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
    ),
    "GET bucket (list objects)": (
        "GET",
        "/",
        "max-keys=2&prefix=J",
        {"host": AWS_HOST},
        EMPTY_SHA256,
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
    ),
}
PRESIGNED_SIGNATURE = "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"


def verify_request(
    method: str,
    path: str,
    query: str,
    headers: Mapping[str, str],
    *,
    now: float = AWS_NOW,
    secret_key: str = AWS_SECRET_KEY,
    region: str | None = None,
) -> VerifiedRequest:
    request = {"method": method, "raw_path": path.encode(), "raw_query": query.encode(), "headers": headers}
    authorization = parse_authorization(**request)
    assert authorization is not None
    return verify(authorization, secret_key, **request, now=now, region=region)


@pytest.mark.parametrize("name", AWS_VECTORS)
def test_signing_gives_the_signatures_that_aws_publishes(name):
    method, path, query, headers, payload_hash, expected = AWS_VECTORS[name]
    signed = sign(
        method,
        path,
        query,
        headers,
        access_key=AWS_ACCESS_KEY,
        secret_key=AWS_SECRET_KEY,
        region="us-east-1",
        now=AWS_NOW,
        payload_hash=payload_hash,
    )
    assert signed["x-amz-date"] == "20130524T000000Z"
    assert signed["x-amz-content-sha256"] == payload_hash
    assert signed["authorization"].endswith(f"Signature={expected}")


@pytest.mark.parametrize("name", AWS_VECTORS)
def test_the_requests_that_aws_publishes_are_verified(name):
    method, path, query, headers, payload_hash, expected = AWS_VECTORS[name]
    headers = {**headers, "x-amz-date": "20130524T000000Z", "x-amz-content-sha256": payload_hash}
    names = ";".join(sorted(headers))
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={AWS_ACCESS_KEY}/20130524/us-east-1/s3/aws4_request,"
        f"SignedHeaders={names},Signature={expected}"
    )
    verified = verify_request(method, path, query, headers)
    assert verified.access_key == AWS_ACCESS_KEY
    assert verified.seed_signature == expected
    assert verified.payload_hash == payload_hash
    assert verified.scope == "20130524/us-east-1/s3/aws4_request"


def test_presigning_gives_the_url_that_aws_publishes():
    url = presign(
        "GET",
        f"https://{AWS_HOST}/test.txt",
        access_key=AWS_ACCESS_KEY,
        secret_key=AWS_SECRET_KEY,
        region="us-east-1",
        now=AWS_NOW,
        expires_s=86400,
    )
    assert url == (
        f"https://{AWS_HOST}/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"
        f"&X-Amz-Credential={AWS_ACCESS_KEY}%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
        "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        f"&X-Amz-Signature={PRESIGNED_SIGNATURE}"
    )


def presigned_query(**changes: str) -> str:
    parameters = {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"{AWS_ACCESS_KEY}/20130524/us-east-1/s3/aws4_request",
        "X-Amz-Date": "20130524T000000Z",
        "X-Amz-Expires": "86400",
        "X-Amz-SignedHeaders": "host",
        "X-Amz-Signature": PRESIGNED_SIGNATURE,
    }
    parameters.update({name.replace("_", "-"): value for name, value in changes.items()})
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in parameters.items() if value)


def test_the_presigned_url_that_aws_publishes_is_verified():
    verified = verify_request("GET", "/test.txt", presigned_query(), {"host": AWS_HOST}, now=AWS_NOW + 86399)
    assert verified.payload_hash == UNSIGNED_PAYLOAD
    assert verified.seed_signature == PRESIGNED_SIGNATURE


# ---- what is refused ----


def signed_get(**changes: str) -> dict[str, str]:
    headers = {"host": AWS_HOST, "range": "bytes=0-9"}
    headers |= sign(
        "GET",
        "/test.txt",
        "",
        headers,
        access_key=AWS_ACCESS_KEY,
        secret_key=AWS_SECRET_KEY,
        region="us-east-1",
        now=AWS_NOW,
        payload_hash=EMPTY_SHA256,
    )
    headers.update({name.replace("_", "-"): value for name, value in changes.items()})
    return {name: value for name, value in headers.items() if value}


def refusal(*args, **kwargs) -> S3Error:
    with pytest.raises(S3Error) as caught:
        verify_request(*args, **kwargs)
    return caught.value


def test_a_tampered_request_does_not_match_and_the_error_helps_without_the_secret():
    for path, headers in (
        ("/test2.txt", signed_get()),
        ("/test.txt", signed_get(range="bytes=0-10")),
        ("/test.txt", signed_get(host="other.example.com")),
    ):
        error = refusal("GET", path, "", headers)
        assert error.code == "SignatureDoesNotMatch"
        assert error.status == 403
        assert error.extra["StringToSign"].startswith("AWS4-HMAC-SHA256\n20130524T000000Z\n")
        assert error.extra["CanonicalRequest"].startswith("GET\n")
        assert AWS_SECRET_KEY not in f"{error!r} {error} {error.extra}"
    assert refusal("PUT", "/test.txt", "", signed_get()).code == "SignatureDoesNotMatch"
    assert refusal("GET", "/test.txt", "acl", signed_get()).code == "SignatureDoesNotMatch"
    assert refusal("GET", "/test.txt", "", signed_get(), secret_key="other").code == "SignatureDoesNotMatch"


@pytest.mark.parametrize("skew_s", [-901, 901, 86400])
def test_a_request_from_a_clock_more_than_fifteen_minutes_off_is_refused(skew_s):
    error = refusal("GET", "/test.txt", "", signed_get(), now=AWS_NOW + skew_s)
    assert error.code == "RequestTimeTooSkewed"
    assert error.extra["RequestTime"] == "20130524T000000Z"


def test_fifteen_minutes_of_skew_are_accepted():
    verify_request("GET", "/test.txt", "", signed_get(), now=AWS_NOW + 900)
    verify_request("GET", "/test.txt", "", signed_get(), now=AWS_NOW - 900)


@pytest.mark.parametrize(
    ("added", "missing"),
    [({"x-amz-meta-a": "1"}, "x-amz-meta-a"), ({"content-md5": "x"}, "content-md5")],
)
def test_a_header_that_matters_but_is_not_signed_is_refused(added, missing):
    error = refusal("GET", "/test.txt", "", {**signed_get(), **added})
    assert error.code == "AccessDenied"
    assert error.extra["HeadersNotSigned"] == missing


def test_the_host_must_be_signed():
    headers = signed_get()
    headers["authorization"] = headers["authorization"].replace("=host;", "=")
    assert refusal("GET", "/test.txt", "", headers).extra["HeadersNotSigned"] == "host"


def test_another_region_is_refused_only_if_a_region_is_demanded():
    verify_request("GET", "/test.txt", "", signed_get(), region="us-east-1")
    error = refusal("GET", "/test.txt", "", signed_get(), region="eu-central-1")
    assert error.code == "AuthorizationHeaderMalformed"
    assert error.extra["Region"] == "eu-central-1"


def test_a_session_token_must_be_signed():
    error = refusal("GET", "/test.txt", "", signed_get() | {"x-amz-security-token": "t"})
    assert error.extra["HeadersNotSigned"] == "x-amz-security-token"


GOOD = signed_get()["authorization"]


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        ("", None),
        ("AWS AKIAIOSFODNN7EXAMPLE:frJIUN8DYpKDtOLCwo//yllqDzg=", "InvalidRequest"),
        ("AWS4-ECDSA-P256-SHA256 Credential=a", "InvalidRequest"),
        ("Bearer abc", "InvalidArgument"),
        ("Basic YTpi", "InvalidArgument"),
        ("AWS4-HMAC-SHA256", "AuthorizationHeaderMalformed"),
        (GOOD.split(", Signature")[0], "AuthorizationHeaderMalformed"),
        (f"{GOOD}, Signature=0", "AuthorizationHeaderMalformed"),
        (GOOD[:-1], "AuthorizationHeaderMalformed"),
        (GOOD.replace("SignedHeaders=", "SignedHeaders=;"), "AuthorizationHeaderMalformed"),
        (GOOD.replace("SignedHeaders=host", "SignedHeaders=Host"), "AuthorizationHeaderMalformed"),
        (GOOD.replace("aws4_request", "aws5_request"), "AuthorizationHeaderMalformed"),
        (GOOD.replace("/s3/", "/ec2/"), "AuthorizationHeaderMalformed"),
        (GOOD.replace("/20130524/", "/20130525/"), "AuthorizationHeaderMalformed"),
        (GOOD.replace("/20130524/", "/2013052x/"), "AuthorizationHeaderMalformed"),
        (GOOD.replace(AWS_ACCESS_KEY, ""), "AuthorizationHeaderMalformed"),
    ],
)
def test_malformed_authorizations_get_s3_codes(authorization, code):
    headers = signed_get(authorization=authorization)
    if code is None:
        assert parse_authorization("GET", b"/test.txt", b"", headers) is None
    else:
        assert refusal("GET", "/test.txt", "", headers).code == code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"x_amz_date": ""}, "AccessDenied"),
        ({"x_amz_date": "20130524"}, "AccessDenied"),
        ({"x_amz_date": "20131324T000000Z"}, "AccessDenied"),
        ({"x_amz_date": "２０１３0524T000000Z"}, "AccessDenied"),  # noqa: RUF001
        ({"x_amz_content_sha256": ""}, "InvalidRequest"),
        ({"x_amz_content_sha256": "UNSIGNED"}, "InvalidArgument"),
        ({"x_amz_content_sha256": "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"}, "NotImplemented"),
    ],
)
def test_malformed_dates_and_payload_hashes_get_s3_codes(changes, code):
    assert refusal("GET", "/test.txt", "", signed_get(**changes)).code == code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"X_Amz_Expires": ""}, "AuthorizationQueryParametersError"),
        ({"X_Amz_Expires": "-1"}, "AuthorizationQueryParametersError"),
        ({"X_Amz_Expires": "1x"}, "AuthorizationQueryParametersError"),
        ({"X_Amz_Expires": "604801"}, "AuthorizationQueryParametersError"),
        ({"X_Amz_Expires": "9" * 5000}, "AuthorizationQueryParametersError"),
        ({"X_Amz_Algorithm": "AWS4-HMAC-SHA512"}, "AuthorizationQueryParametersError"),
        ({"X_Amz_Date": "20130524"}, "AuthorizationQueryParametersError"),
        ({"X_Amz_Date": "20130525T000000Z"}, "AuthorizationQueryParametersError"),
        ({"X_Amz_Credential": "a/b"}, "AuthorizationQueryParametersError"),
        ({"X_Amz_Signature": "0"}, "AuthorizationQueryParametersError"),
        ({"X_Amz_Signature": "0" * 64}, "SignatureDoesNotMatch"),
        ({"X_Amz_Expires": "86401"}, "SignatureDoesNotMatch"),
        ({"response-content-type": "text/html"}, "SignatureDoesNotMatch"),
        ({"X_Amz_SignedHeaders": "range"}, "AccessDenied"),
    ],
)
def test_malformed_or_tampered_presigned_urls_get_s3_codes(changes, code):
    assert refusal("GET", "/test.txt", presigned_query(**changes), {"host": AWS_HOST}).code == code


def test_an_expired_presigned_url_says_so():
    error = refusal("GET", "/test.txt", presigned_query(), {"host": AWS_HOST}, now=AWS_NOW + 86401)
    assert (error.code, error.message, error.status) == ("AccessDenied", "Request has expired", 403)
    assert error.extra["Expires"] == "2013-05-25T00:00:00Z"


def test_a_presigned_url_from_the_future_is_refused():
    error = refusal("GET", "/test.txt", presigned_query(), {"host": AWS_HOST}, now=AWS_NOW - 901)
    assert (error.code, error.message) == ("AccessDenied", "Request is not yet valid")


def test_a_presigned_url_with_a_parameter_given_twice_is_refused():
    query = f"{presigned_query()}&X-Amz-Expires=1"
    error = refusal("GET", "/test.txt", query, {"host": AWS_HOST})
    assert error.code == "AuthorizationQueryParametersError"


def test_a_request_may_not_authenticate_in_two_ways():
    assert refusal("GET", "/test.txt", presigned_query(), signed_get()).code == "InvalidArgument"


def test_signature_version_2_in_a_query_is_refused():
    query = "AWSAccessKeyId=a&Expires=1&Signature=b"
    assert refusal("GET", "/", query, {"host": "h"}).code == "InvalidRequest"


def test_an_unsigned_header_that_a_presigned_url_does_not_allow_is_refused():
    headers = {"host": AWS_HOST, "x-amz-acl": "public-read"}
    error = refusal("GET", "/test.txt", presigned_query(), headers)
    assert (error.code, error.extra["HeadersNotSigned"]) == ("AccessDenied", "x-amz-acl")


# ---- botocore as the oracle ----

keys = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=30)
paths = st.lists(keys, min_size=1, max_size=4).map("/".join)
queries = st.lists(
    st.tuples(keys, st.text(st.characters(exclude_categories=("Cs",)), max_size=20)), max_size=5
)
header_values = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20)
header_names = st.from_regex(r"x-amz-meta-[a-z0-9-]{1,10}", fullmatch=True)
extra_headers = st.dictionaries(header_names, header_values, max_size=4)
CREDENTIALS = Credentials(AWS_ACCESS_KEY, AWS_SECRET_KEY)


def botocore_request(method: str, path: str, pairs, headers, data: bytes = b"") -> AWSRequest:
    query = encode_query(pairs)
    url = f"http://127.0.0.1:8002/{quote(path, safe='/~')}{'?' if query else ''}{query}"
    return AWSRequest(method, url, headers=dict(headers), data=data)


def as_received(request: AWSRequest) -> tuple[str, str, str, dict[str, str]]:
    parts = urlsplit(request.url)
    headers = {name.lower(): value for name, value in request.headers.items()}
    return request.method, parts.path, parts.query, {"host": parts.netloc, **headers}


@given(paths, queries, extra_headers, st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD"]))
def test_what_botocore_signs_in_headers_is_verified(path, pairs, headers, method):
    request = botocore_request(method, path, pairs, headers, b"hello")
    S3SigV4Auth(CREDENTIALS, "s3", "eu-central-1").add_auth(request)
    received = as_received(request)
    now = dt.datetime.now(dt.UTC).timestamp()
    assert verify_request(*received, now=now).access_key == AWS_ACCESS_KEY
    assert refusal(*received, now=now, secret_key="not it").code == "SignatureDoesNotMatch"


@given(paths, queries, extra_headers)
def test_what_botocore_presigns_is_verified(path, pairs, headers):
    pairs = [pair for pair in pairs if not pair[0].startswith("X-Amz-")]  # those are the signature's own
    request = botocore_request("GET", path, pairs, headers)
    S3SigV4QueryAuth(CREDENTIALS, "s3", "eu-central-1", expires=60).add_auth(request)
    received = as_received(request)
    now = dt.datetime.now(dt.UTC).timestamp()
    assert verify_request(*received, now=now).payload_hash == UNSIGNED_PAYLOAD


@given(paths, queries, extra_headers)
def test_we_sign_what_botocore_signs(path, pairs, headers):
    request = botocore_request("GET", path, pairs, headers)
    request.context["payload_signing_enabled"] = False
    S3SigV4Auth(CREDENTIALS, "s3", "eu-central-1").add_auth(request)
    method, raw_path, raw_query, received = as_received(request)
    signed = sign(
        method,
        raw_path,
        raw_query,
        {name: received[name] for name in ("host", *headers)},
        access_key=AWS_ACCESS_KEY,
        secret_key=AWS_SECRET_KEY,
        region="eu-central-1",
        now=dt.datetime.strptime(received["x-amz-date"], "%Y%m%dT%H%M%S%z").timestamp(),
        payload_hash=received["x-amz-content-sha256"],
    )
    assert signed["authorization"] == received["authorization"]


@given(paths, queries, extra_headers)
def test_what_we_presign_is_verified(path, pairs, headers):
    query = encode_query([pair for pair in pairs if not pair[0].startswith("X-Amz-")])
    url = f"http://h:1/{encode_path(path)}{'?' if query else ''}{query}"
    signed = presign(
        "PUT",
        url,
        access_key="a/b",
        secret_key=AWS_SECRET_KEY,
        region="r",
        now=AWS_NOW,
        expires_s=9,
        headers=headers,
    )
    parts = urlsplit(signed)
    verified = verify_request("PUT", parts.path, parts.query, {"host": "h:1", **headers}, now=AWS_NOW + 9)
    assert verified.access_key == "a/b"


@pytest.mark.parametrize(
    ("signed_as", "sent_as"),
    [
        (("/b/a%20b", ""), ("/b/a b", "")),
        (("/b/%C3%A9", ""), ("/b/%c3%a9", "")),
        (("/b/a~b", ""), ("/b/a%7Eb", "")),
        (("/b/a%2Bb", ""), ("/b/a+b", "")),
        (("/b/a%2Fb", ""), ("/b/a%2Fb", "")),
        (("/b/a/b", ""), ("/b/a%2Fb", "")),
        (("/b/a//b/../c", ""), ("/b/a//b/../c", "")),
        (("/b", "prefix=a%20b"), ("/b", "prefix=a+b")),
        (("/b", "acl="), ("/b", "acl")),
        (("/b", "delimiter=%2F&prefix="), ("/b", "prefix=&delimiter=/")),
        (("/b", "a=1&a=2&a-b=3"), ("/b", "a-b=3&a=2&a=1")),
    ],
)
def test_every_spelling_of_path_and_query_is_verified(signed_as, sent_as):
    headers = {"host": "h"}
    headers |= sign("GET", *signed_as, headers, access_key="a", secret_key="s", region="r", now=AWS_NOW)
    verify_request("GET", *sent_as, headers, secret_key="s")


def test_runs_of_spaces_in_signed_headers_count_as_one():
    headers = {"host": "h", "x-amz-meta-a": "a b c"}
    headers |= sign("GET", "/", "", headers, access_key="a", secret_key="s", region="r", now=AWS_NOW)
    verify_request("GET", "/", "", {**headers, "x-amz-meta-a": " a   b c "}, secret_key="s")


def test_metadata_that_is_not_ascii_is_verified_as_it_was_on_the_wire():
    headers = {"host": "h", "x-amz-meta-a": "Zürich\xa0東".encode().decode("latin-1")}
    headers |= sign("GET", "/", "", headers, access_key="a", secret_key="s", region="r", now=AWS_NOW)
    verify_request("GET", "/", "", headers, secret_key="s")


latin1 = st.text(st.characters(max_codepoint=255), max_size=80)
mutations = st.sampled_from(
    [GOOD, presigned_query(), "AWS4-HMAC-SHA256 ", "X-Amz-Signature=", "Credential=a/b"]
)


@given(st.lists(st.one_of(mutations, latin1), max_size=4).map("".join), st.binary(max_size=80), st.booleans())
def test_no_bytes_make_parsing_or_verifying_fail_in_another_way(text, path, in_query):
    query = text.encode("latin-1") if in_query else b""
    headers = signed_get(authorization="" if in_query else text)
    with contextlib.suppress(S3Error):
        authorization = parse_authorization("GET", path, query, headers)
        if authorization is not None:
            request = {"method": "GET", "raw_path": path, "raw_query": query, "headers": headers}
            verify(authorization, AWS_SECRET_KEY, **request, now=AWS_NOW)


def test_secrets_stay_out_of_reprs():
    verified = verify_request("GET", "/test.txt", "", signed_get())
    assert verified.signing_key.hex() not in repr(verified)
    assert repr(verified.signing_key) not in repr(verified)
