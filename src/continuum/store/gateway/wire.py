"""The S3 wire in one place: which operation a request asks for, its parameters, its reply.

    route          method, path, query, headers  ->  operation, bucket, key, query
    parse_input    headers, query, XML body      ->  the operation's parameters
    format_output  the operation's result        ->  status, headers, body
    format_error   an S3 error code              ->  status, body

All pure, all from S3's own service model (`shapes`). Parameters and results are the dicts that boto3 takes
and gives.
"""

from continuum.store.gateway.documents import MAX_DOCUMENT_BYTES
from continuum.store.gateway.inputs import METADATA_PREFIX, parse_input, parse_instant, parse_reply_header
from continuum.store.gateway.outputs import encode_key, format_error, format_output
from continuum.store.gateway.routes import Routed, route
from continuum.store.gateway.texts import format_http_date, format_iso8601

__all__ = [
    "MAX_DOCUMENT_BYTES",
    "METADATA_PREFIX",
    "Routed",
    "encode_key",
    "format_error",
    "format_http_date",
    "format_iso8601",
    "format_output",
    "parse_input",
    "parse_instant",
    "parse_reply_header",
    "route",
]
