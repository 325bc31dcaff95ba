"""Replies of operations that have an XML document or nothing but headers."""

from collections.abc import Mapping
from typing import Any

from continuum.store.gateway.calls import Call
from continuum.store.gateway.replies import Reply
from continuum.store.gateway.wire import format_output, parse_input


def answer(call: Call, output: Mapping[str, Any] | None = None) -> Reply:
    """Write an operation's result as the service model says."""
    status, headers, body = format_output(call.routed.operation, output or {})
    return Reply(status=status, headers=headers, body=body)


def read_input(call: Call, body: bytes | None = None) -> dict[str, Any]:
    """Read an operation's parameters as the service model says."""
    return parse_input(call.routed.operation, call.routed, call.headers, body)
