"""The hub's HTTPS API and page. Read-only; the description is at /schema (OpenAPI).

| path | gives |
|---|---|
| /ready, /healthz | 200 while the hub is connected to the backbone, else 503; open to everybody |
| /live | 200; open to everybody |
| /api/v1/status | the hub in numbers |
| /api/v1/sites, /api/v1/sites/{name} | the sites as their agents report them |
| /api/v1/buckets | the buckets of the name space |
| /api/v1/runs | the latest runs |
| / | a page for people |
"""

from typing import Any

from litestar import Litestar, Request, Response, Router, get
from litestar.datastructures import ResponseHeader
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.params import FromPath

import continuum
from continuum.hub.authenticating import Authenticator
from continuum.hub.pages import format_page
from continuum.hub.views import BucketView, RunView, Services, SitesView, SiteView, StatusView
from continuum.model.errors import ContinuumError, NotFoundError, UnavailableError

_STATUS: dict[type[ContinuumError], int] = {NotFoundError: 404, UnavailableError: 503}
_HEADERS = (
    ResponseHeader(
        name="Content-Security-Policy",
        value="default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    ),
    ResponseHeader(name="X-Content-Type-Options", value="nosniff"),
    ResponseHeader(name="Strict-Transport-Security", value="max-age=31536000"),
    ResponseHeader(name="Cache-Control", value="no-store"),
)


def make_application(services: Services, authenticator: Authenticator) -> Litestar:
    """Return the ASGI application over `services`."""

    @get("/live", is_public=True, summary="Whether the hub's process lives")
    async def live() -> dict[str, str]:
        return {"status": "ok"}

    @get(["/ready", "/healthz"], is_public=True, summary="Whether the hub works")
    async def ready() -> Response[dict[str, str]]:
        if services.status().is_backbone_connected:
            return Response({"status": "ok"})
        return Response({"status": "the backbone is away"}, status_code=503)

    @get("/api/v1/status", summary="The hub in numbers")
    async def status() -> StatusView:
        return services.status()

    @get("/api/v1/sites", summary="All sites and links")
    async def sites() -> SitesView:
        return services.sites()

    @get("/api/v1/sites/{name:str}", summary="One site")
    async def site(name: FromPath[str]) -> SiteView:
        return services.get_site(name)

    @get("/api/v1/buckets", summary="The buckets of the name space")
    async def buckets() -> tuple[BucketView, ...]:
        return await services.buckets()

    @get("/api/v1/runs", summary="The latest runs, newest first")
    async def runs() -> tuple[RunView, ...]:
        return await services.runs()

    @get("/", media_type="text/html", include_in_schema=False)
    async def page() -> str:
        return format_page(
            services.status(), services.sites(), await services.buckets(), await services.runs()
        )

    return Litestar(
        route_handlers=[live, ready, status, sites, site, buckets, runs, page],
        guards=[authenticator],
        exception_handlers={ContinuumError: _answer_error},
        response_headers=_HEADERS,
        openapi_config=OpenAPIConfig(
            title="continuum hub",
            version=continuum.__version__,
            description=__doc__,
            openapi_router=Router(path="/schema", route_handlers=[], opt={"is_public": True}),
            render_plugins=[JsonRenderPlugin()],
        ),
    )


def _answer_error(_: Request[Any, Any, Any], problem: Exception) -> Response[dict[str, str]]:
    if not isinstance(problem, ContinuumError):  # registered for these alone
        raise problem
    code = next((number for kind, number in _STATUS.items() if isinstance(problem, kind)), 400)
    return Response(
        {"code": problem.code, "message": problem.message, "hint": problem.hint}, status_code=code
    )
