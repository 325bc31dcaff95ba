"""Requests of scripts from other origins."""

import pytest
from s3_clients import path_of, refusal

pytestmark = pytest.mark.system

ORIGIN = "https://app.example.org"
RULES = {
    "CORSRules": [
        {
            "ID": "app",
            "AllowedOrigins": [ORIGIN],
            "AllowedMethods": ["GET", "PUT"],
            "AllowedHeaders": ["*"],
            "ExposeHeaders": ["ETag", "x-amz-version-id"],
            "MaxAgeSeconds": 600,
        },
        {"AllowedOrigins": ["*"], "AllowedMethods": ["GET"]},
    ]
}


@pytest.fixture
def shared(edge, bucket):
    """A bucket with rules and an object."""
    edge.put_object(Bucket=bucket, Key="k", Body=b"bytes")
    edge.put_bucket_cors(Bucket=bucket, CORSConfiguration=RULES)
    return bucket


def preflight(raw, bucket, origin=ORIGIN, method="PUT", **more):
    headers = {"host": raw.host, "origin": origin, "access-control-request-method": method, **more}
    return raw.send("OPTIONS", path_of(bucket, "k"), {k: v for k, v in headers.items() if v})


def test_rules_are_kept_told_and_taken_away(edge, cloud, shared):
    assert cloud.get_bucket_cors(Bucket=shared)["CORSRules"] == RULES["CORSRules"]
    edge.delete_bucket_cors(Bucket=shared)
    assert refusal(cloud.get_bucket_cors, Bucket=shared) == ("NoSuchCORSConfiguration", 404)
    bad = {"CORSRules": [{"AllowedOrigins": ["*"], "AllowedMethods": ["PATCH"]}]}
    assert refusal(edge.put_bucket_cors, Bucket=shared, CORSConfiguration=bad) == ("InvalidRequest", 400)


def test_a_browser_may_ask_first_without_a_signature(raw, shared):
    asked = {"access-control-request-headers": "authorization, X-Amz-Date"}
    answer = preflight(raw, shared, **asked)
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["access-control-allow-methods"] == "GET, PUT"
    assert answer.headers["access-control-allow-headers"] == "authorization, x-amz-date"
    assert answer.headers["access-control-max-age"] == "600"
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert "Origin" in answer.headers["vary"]
    other = preflight(raw, shared, "https://other.example.org", "GET")
    assert (other.status, other.headers["access-control-allow-origin"]) == (200, "*")


def test_what_no_rule_allows_is_forbidden(edge, raw, shared):
    for answer in (
        preflight(raw, shared, "https://other.example.org"),
        preflight(raw, shared, method="DELETE"),
        preflight(raw, shared, "https://x.org", "GET", **{"access-control-request-headers": "x-secret"}),
    ):
        assert (answer.status, answer.code) == (403, "AccessForbidden")
        assert "access-control-allow-origin" not in answer.headers
    assert preflight(raw, shared, origin="").status == 400
    assert preflight(raw, shared, method="").status == 400
    edge.delete_bucket_cors(Bucket=shared)
    assert preflight(raw, shared).status == 403
    assert preflight(raw, "no-such-bucket-at-all").code == "NoSuchBucket"


def test_replies_and_errors_tell_the_browser_who_may_see_them(raw, shared):
    for key, status in (("k", 200), ("missing", 404)):
        answer = raw.request("GET", path_of(shared, key), headers={"origin": ORIGIN})
        assert (answer.status, answer.headers["access-control-allow-origin"]) == (status, ORIGIN)
        assert answer.headers["access-control-expose-headers"] == "ETag, x-amz-version-id"
        assert "Origin" in answer.headers["vary"]
    refused = raw.request("GET", path_of(shared, "k"), headers={"origin": ORIGIN}, signed=False)
    assert (refused.status, refused.headers["access-control-allow-origin"]) == (403, ORIGIN)
    assert "access-control-allow-origin" not in raw.request("GET", path_of(shared, "k")).headers
    put = raw.request("PUT", path_of(shared, "k"), headers={"origin": "https://other.example.org"})
    assert put.status == 200
    assert "access-control-allow-origin" not in put.headers
