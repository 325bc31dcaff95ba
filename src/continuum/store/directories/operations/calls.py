"""What an operation is given, and how it answers."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from typing import Any, TypeVar

import msgspec

from continuum.store.directories.listing import Lister
from continuum.store.directories.receiving import Payload, receive_whole
from continuum.store.directories.trees import Tree
from continuum.store.directories.uploads import Uploads
from continuum.store.errors import S3Error
from continuum.store.gateway.connections import Request
from continuum.store.gateway.inputs import METADATA_PREFIX
from continuum.store.gateway.replies import Reply
from continuum.store.gateway.settings import Limits
from continuum.store.gateway.wire import Routed, format_output, parse_input
from continuum.store.signing import VerifiedRequest

Result = TypeVar("Result")
KEPT_HEADERS = (
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
)


class Shared(msgspec.Struct, frozen=True, kw_only=True):
    """What all operations of one store share."""

    tree: Tree
    lister: Lister
    uploads: Uploads
    executor: Executor
    limits: Limits


class DirectoryCall(msgspec.Struct, frozen=True, kw_only=True):
    """One request, authenticated."""

    shared: Shared
    request: Request
    routed: Routed
    verified: VerifiedRequest

    @property
    def headers(self) -> dict[str, str]:
        """The request's headers, lower-case names."""
        return self.request.headers

    @property
    def bucket(self) -> str:
        """The bucket that the request names."""
        return self.routed.bucket

    @property
    def key(self) -> str:
        """The key that the request names."""
        return self.routed.key

    async def run(self, work: Callable[..., Result], *arguments: Any) -> Result:
        """Do blocking work in a thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.shared.executor, work, *arguments)

    def payload(self) -> Payload:
        """Return what checks the body."""
        return Payload(self.request.body, self.headers, self.verified)

    async def read_document(self) -> bytes:
        """Return the whole body of a request that carries XML, checked as it declares. Raises `S3Error`."""
        payload = self.payload()
        limit_bytes = self.shared.limits.xml_bytes
        if payload.length > limit_bytes:
            raise S3Error("MaxMessageLengthExceeded")
        body = await self.request.body.read(limit_bytes * 2)
        return b"".join(receive_whole(body, payload))

    def read_input(self, body: bytes | None = None) -> dict[str, Any]:
        """Read the operation's parameters as the service model says."""
        return parse_input(self.routed.operation, self.routed, self.headers, body)

    def answer(self, output: Mapping[str, Any] | None = None) -> Reply:
        """Write the operation's result as the service model says."""
        status, headers, body = format_output(self.routed.operation, output or {})
        return Reply(status=status, headers=headers, body=body)


def kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return what of a request's headers stays with the object."""
    return {
        name: value
        for name, value in headers.items()
        if (name in KEPT_HEADERS and value != "aws-chunked") or name.startswith(METADATA_PREFIX)
    }
