"""The hub's gate and page, without the services behind them."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar.testing import TestClient

from continuum.hub.api import make_application
from continuum.hub.authenticating import Authenticator, parse_basic
from continuum.hub.pages import format_page
from continuum.hub.views import BucketView, LinkView, RunView, SitesView, SiteView, StatusView
from continuum.model.errors import NotFoundError, UnavailableError
from continuum.model.objects import Role, User

ADMIN = User(name="admin", access_key="KEY", secret_key="secret", role=Role.ADMIN)
EVIL = "<script>alert(1)</script>"


MEMBER = User(name="m", access_key="MEMBER", secret_key="secret", role=Role.MEMBER)


async def find_user(access_key: str) -> User | None:
    return {user.access_key: user for user in (ADMIN, MEMBER)}.get(access_key)


class FixedServices:
    """Services that show fixed things; what is under test is what stands before them."""

    is_connected = True

    def status(self) -> StatusView:
        return StatusView(
            name="test",
            version="1",
            started_at=1.0,
            is_backbone_connected=self.is_connected,
            sites=1,
            reachable_sites=1,
            links=(),
        )

    def sites(self) -> SitesView:
        return SitesView(sites=(a_site("edge"),), links=(a_link(),))

    def get_site(self, name: str) -> SiteView:
        if name != "edge":
            raise NotFoundError(f"there is no site {name}", hint="edge")
        return a_site(name)

    async def buckets(self) -> tuple[BucketView, ...]:
        if not self.is_connected:
            raise UnavailableError("away")
        return (BucketView(name="b", owner=EVIL, home="edge", created_at=1.0),)

    async def runs(self) -> tuple[RunView, ...]:
        return (
            RunView(
                run_id="r",
                name=EVIL,
                application="a.py",
                state="failed",
                started_at=1.0,
                ended_at=2.5,
                home_site="edge",
                tasks=3,
                moved_bytes=5_000_000,
                reason="",
            ),
        )


def a_site(name: str) -> SiteView:
    return SiteView(
        name=name,
        kind="edge",
        is_reachable=True,
        silent_s=0.5,
        computing_units=2,
        memory_bytes=10**9,
        free_units=1,
        queued_tasks=0,
        engines=("pool",),
        gateway_url=f"http://{EVIL}",
        version="1",
        started_at=1.0,
    )


def a_link() -> LinkView:
    return LinkView(
        source="edge", target="cloud", bandwidth_bytes_per_s=1e9, latency_s=0.0002, price_eur_per_gb=0.02
    )


@pytest.fixture
def services() -> FixedServices:
    return FixedServices()


@pytest.fixture
def client(services: FixedServices) -> "TestClient":
    return TestClient(make_application(services, Authenticator(find_user)))


def test_health_is_open_and_follows_the_backbone(client: TestClient, services: FixedServices) -> None:
    for path in ("/ready", "/healthz"):
        services.is_connected = True
        assert client.get(path).json() == {"status": "ok"}
        services.is_connected = False
        assert client.get(path).status_code == 503
    assert client.get("/live").status_code == 200


@pytest.mark.parametrize(
    "keys", [None, ("KEY", "wrong"), ("other", "secret"), ("KEY", ""), ("MEMBER", "secret")]
)
@pytest.mark.parametrize("path", ["/", "/api/v1/status", "/api/v1/sites/edge", "/api/v1/runs"])
def test_strangers_get_nothing(client: TestClient, path: str, keys: tuple[str, str] | None) -> None:
    reply = client.get(path, auth=keys)
    assert reply.status_code == 401
    assert reply.headers["www-authenticate"].startswith("Basic ")


def test_an_admin_gets_everything(client: TestClient) -> None:
    keys = ("KEY", "secret")
    assert client.get("/api/v1/sites/edge", auth=keys).json()["computing_units"] == 2
    assert client.get("/api/v1/sites", auth=keys).json()["links"][0]["target"] == "cloud"
    assert client.get("/api/v1/buckets", auth=keys).json()[0]["name"] == "b"
    assert client.get("/", auth=keys).headers["content-type"].startswith("text/html")


def test_errors_become_statuses_with_their_hint(client: TestClient, services: FixedServices) -> None:
    keys = ("KEY", "secret")
    missing = client.get("/api/v1/sites/moon", auth=keys)
    assert (missing.status_code, missing.json()["hint"]) == (404, "edge")
    services.is_connected = False
    assert client.get("/api/v1/buckets", auth=keys).status_code == 503


def test_the_page_shows_the_newest_buckets_and_says_how_many_there_are() -> None:
    buckets = [BucketView(name=f"b{n:03}", owner="o", home="edge", created_at=n) for n in range(201)]
    page = format_page(FixedServices().status(), SitesView(sites=(), links=()), buckets, ())
    assert "the 200 newest of 201" in page
    assert "b200" in page
    assert "b000" not in page


def test_the_api_describes_itself(client: TestClient) -> None:
    described = client.get("/schema/openapi.json").json()
    assert "/api/v1/sites/{name}" in described["paths"]


def test_nothing_that_somebody_named_becomes_markup(client: TestClient) -> None:
    page = client.get("/", auth=("KEY", "secret")).text
    assert EVIL not in page
    assert "&lt;script&gt;" in page


def test_the_page_may_load_nothing_and_run_nothing(client: TestClient) -> None:
    headers = client.get("/", auth=("KEY", "secret")).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "script" not in headers["content-security-policy"]


def test_an_empty_continuum_has_a_page_too() -> None:
    status = FixedServices().status()
    page = format_page(status, SitesView(sites=(), links=()), (), ())
    assert "No site has reported yet." in page
    assert "Nothing has run yet." in page


@given(st.text(), st.text())
def test_any_pair_of_user_and_password_is_read_back(user: str, password: str) -> None:
    user = user.replace(":", "")
    header = "Basic " + base64.b64encode(f"{user}:{password}".encode(errors="replace")).decode()
    parsed = parse_basic(header)
    assert parsed == tuple(text.encode(errors="replace").decode() for text in (user, password))


@given(st.text())
def test_any_other_header_is_no_pair(header: str) -> None:
    if not header.lower().startswith("basic "):
        assert parse_basic(header) is None


@pytest.mark.parametrize("header", ["Basic", "Basic !!!", "Basic /w==", "Bearer YTpi", "Basic YQ=="])
def test_a_broken_header_is_no_pair(header: str) -> None:
    assert parse_basic(header) is None
