"""What a gateway says of itself: the part of its page `/-/health` about what it wrote without the hub."""

import http.client
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from continuum.security import client_context

WAIT_S = 1.0
MAX_PAGE_BYTES = 1024 * 1024


class GatewayJournal(msgspec.Struct, frozen=True, kw_only=True):
    """How many buckets are served without the hub now, how many changes wait to be replayed since when, and
    how many were refused."""

    buckets: int = 0
    waiting: int = 0
    waiting_since: float = 0.0
    refused: int = 0


class _Page(msgspec.Struct, frozen=True, kw_only=True):
    disconnected: GatewayJournal = GatewayJournal()


def find_journal(url: str, ca_file: Path) -> GatewayJournal:
    """Ask a gateway; one that does not answer in a second has nothing to say."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 0
    connection = http.client.HTTPConnection(host, port, timeout=WAIT_S)
    if parts.scheme == "https":
        trusted = client_context(ca_file if ca_file.exists() else None)
        connection = http.client.HTTPSConnection(host, port, timeout=WAIT_S, context=trusted)
    try:
        connection.request("GET", "/-/health")
        page = connection.getresponse().read(MAX_PAGE_BYTES)
        return msgspec.json.decode(page, type=_Page).disconnected
    except (OSError, ssl.SSLError, http.client.HTTPException, msgspec.MsgspecError):
        return GatewayJournal()
    finally:
        connection.close()
