"""S3 clients for the interoperability tests: boto3 that never retries, and hand-made requests."""

import http.client
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree as ET

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from continuum.store.signing import UNSIGNED_PAYLOAD, sign

REGION = "us-east-1"
TIMEOUT_S = 30


def make_client(url: str, access_key: str, secret_key: str, **options: Any) -> Any:
    """Return a boto3 client that sends every request once."""
    settings: dict[str, Any] = {
        "retries": {"total_max_attempts": 1},
        "s3": {"addressing_style": "path"},
        "connect_timeout": TIMEOUT_S,
        "read_timeout": TIMEOUT_S,
        "max_pool_connections": 32,
    }
    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        config=Config(**(settings | options)),
    )


def refusal(call: Callable[..., Any], **arguments: Any) -> tuple[str, int]:
    """Return code and HTTP status of the error that a boto3 call ends with."""
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
    raise AssertionError(f"{call} did not fail")


class Answer(NamedTuple):
    """What came back for a hand-made request."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The code of an error document, '' if it is none."""
        return self.find("Code")

    def find(self, name: str) -> str:
        """The text of the first element of this name in a document."""
        if not self.body:
            return ""
        elements = (e for e in ET.fromstring(self.body).iter() if e.tag.rpartition("}")[2] == name)
        return next((element.text or "" for element in elements), "")


class RawClient:
    """Sends requests exactly as they are given, signed unless told otherwise."""

    def __init__(self, url: str, access_key: str, secret_key: str) -> None:
        self.host = urlsplit(url).netloc
        self.keys = {"access_key": access_key, "secret_key": secret_key}

    def request(
        self,
        method: str,
        path: str,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        *,
        payload_hash: str = UNSIGNED_PAYLOAD,
        now: float | None = None,
        signed: bool = True,
        **changed: str,
    ) -> Answer:
        """Send a request; `changed` replaces headers after signing (underscores stand for dashes)."""
        sent = {"host": self.host, **(headers or {})}
        if signed:
            sent |= sign(
                method,
                path,
                query,
                sent,
                region=REGION,
                now=now or time.time(),
                payload_hash=payload_hash,
                **self.keys,
            )
        sent |= {name.replace("_", "-"): value for name, value in changed.items()}
        return self.send(method, f"{path}?{query}" if query else path, sent, body)

    def send(self, method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """Send a request as it is."""
        connection = http.client.HTTPConnection(self.host, timeout=TIMEOUT_S)
        try:
            connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value)
            if "content-length" not in headers and "transfer-encoding" not in headers:
                connection.putheader("content-length", str(len(body)))
            connection.endheaders(body or None)
            response = connection.getresponse()
            answered = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, answered, response.read())
        finally:
            connection.close()


def path_of(bucket: str, key: str = "") -> str:
    """The encoded path of an object."""
    return f"/{bucket}/{quote(key, safe='/~')}"
