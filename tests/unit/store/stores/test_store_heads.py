"""The fast way to sign a plain GET or PUT gives what the general way gives."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from continuum.model.errors import InvalidInputError
from continuum.model.objects import Store
from continuum.store.signing import encode_path, sign
from continuum.store.stores.heads import PlainHeads
from continuum.store.stores.pools import parse_endpoint

STORE = Store(
    name="s",
    site="edge",
    endpoint="unix:/s",
    region="eu-central-1",
    bucket="b",
    access_key="AK",
    secret_key="SK",
)


@given(
    st.sampled_from(["GET", "PUT"]),
    st.text(min_size=1, max_size=30),
    st.lists(st.integers(0, 2**31), min_size=1, max_size=4),
)
def test_it_signs_as_the_general_way_does(method: str, key: str, instants: list[int]) -> None:
    heads = PlainHeads(STORE, "localhost")
    for now in instants:
        path = encode_path(f"/b/{key.encode(errors='replace').decode()}")
        head = heads.format(method, path, float(now)).decode()
        signed = sign(
            method,
            path,
            "",
            {"host": "localhost"},
            access_key="AK",
            secret_key="SK",
            region="eu-central-1",
            now=now,
        )
        assert head.startswith(f"{method} {path} HTTP/1.1\r\nhost: localhost\r\n")
        assert head.endswith(f"authorization: {signed['authorization']}\r\n\r\n")
        assert f"x-amz-date: {signed['x-amz-date']}\r\n" in head


def test_the_length_of_a_body_stands_at_the_end() -> None:
    head = PlainHeads(STORE, "localhost").format("PUT", "/b/k", 1.0, body_bytes=0).decode()
    assert head.endswith("\r\ncontent-length: 0\r\n\r\n")


def test_a_range_is_asked_for_and_not_signed() -> None:
    heads = PlainHeads(STORE, "localhost")
    whole, part = heads.format("GET", "/b/k", 1.0), heads.format("GET", "/b/k", 1.0, byte_range="bytes=1-2")
    assert part == whole.removesuffix(b"\r\n") + b"range: bytes=1-2\r\n\r\n"


def test_the_secret_does_not_show() -> None:
    assert "SK" not in repr(PlainHeads(STORE, "localhost"))


@pytest.mark.parametrize(
    ("endpoint", "host_header", "host", "port", "is_tls", "socket_path"),
    [
        ("unix:/run/s.sock", "localhost", "", 0, False, "/run/s.sock"),
        ("http://127.0.0.1:9000", "127.0.0.1:9000", "127.0.0.1", 9000, False, ""),
        ("https://s3.example.org", "s3.example.org", "s3.example.org", 443, True, ""),
        ("https://[::1]:8443/", "[::1]:8443", "::1", 8443, True, ""),
    ],
)
def test_endpoints_are_parsed(
    *, endpoint: str, host_header: str, host: str, port: int, is_tls: bool, socket_path: str
) -> None:
    address = parse_endpoint(endpoint)
    assert (address.host_header, address.host, address.port) == (host_header, host, port)
    assert (address.is_tls, address.socket_path) == (is_tls, socket_path)


@pytest.mark.parametrize("endpoint", ["ftp://x", "http://", "127.0.0.1:9000", "http://x/path"])
def test_what_is_no_endpoint_is_refused(endpoint: str) -> None:
    with pytest.raises(InvalidInputError, match="is not the endpoint of a store"):
        parse_endpoint(endpoint)
