"""`from pycompss.api.http import http`."""

from continuum.workflow.kinds.decorators import http

Http = http
HTTP = http

__all__ = ["HTTP", "Http", "http"]
