"""The ETag of a store's reply is found without reading its other headers."""

from types import SimpleNamespace
from typing import Any

import pytest

from continuum.store.stores.exchanges import Exchange

WIRE: Any = SimpleNamespace()


@pytest.mark.parametrize(
    ("head", "etag"),
    [
        (b'HTTP/1.1 200 OK\r\nETag: "abc-2"\r\nDate: x', "abc-2"),
        (b'HTTP/1.1 200 OK\r\netag:"abc"', "abc"),
        (b"HTTP/1.1 200 OK\r\nEtag: abc \r\nServer: s", "abc"),
        (b'HTTP/1.1 200 OK\r\nx-etag: "no"\r\nX: ETag: "no"', ""),
        (b"HTTP/1.1 200 OK", ""),
    ],
)
def test_an_etag_is_found_as_the_headers_have_it(head: bytes, etag: str) -> None:
    exchange = Exchange(WIRE, "PUT", b"", 0)
    exchange.begin_reply(200, head, 0)
    assert exchange.etag == etag == exchange.headers.get("etag", "").strip('"')
