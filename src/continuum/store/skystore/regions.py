"""Regions as Sky Store writes them, `cloud:region`, and what they mean: a site, an endpoint, a bucket.
Pure.
"""

import ipaddress
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

import msgspec

from continuum.model.errors import InvalidInputError
from continuum.model.objects import parse_bucket_name
from continuum.model.sites import parse_site_name

_REGION = re.compile(r"([a-z0-9]+):([a-z0-9-]+)")


class Region(msgspec.Struct, frozen=True):
    """A region of a cloud, such as `aws:eu-central-1`."""

    cloud: str
    name: str

    def __str__(self) -> str:
        return f"{self.cloud}:{self.name}"

    @property
    def site(self) -> str:
        """The name of the site that stands for it."""
        return parse_site_name(f"{self.cloud}-{self.name}")


def parse_region(text: str) -> Region:
    """Return the region that `text` names. Raises `InvalidInputError`."""
    match = _REGION.fullmatch(text.strip())
    if match is None:
        raise InvalidInputError(
            f"{text!r} is no region", hint="a cloud and a region of it, such as aws:eu-central-1"
        )
    return Region(match[1], match[2])


def parse_regions(texts: Iterable[str]) -> tuple[Region, ...]:
    """Return the regions, each once, in order. Raises `InvalidInputError`, also if there are none."""
    regions = tuple(dict.fromkeys(parse_region(text) for text in texts if text.strip()))
    if not regions:
        raise InvalidInputError(
            "no regions are given",
            hint='set INIT_REGIONS=aws:eu-central-1,aws:eu-west-1 or "init_regions" in the configuration',
        )
    return regions


def parse_endpoints(text: str) -> dict[Region, str]:
    """Return the endpoints of `aws:eu-central-1=http://127.0.0.1:9000,…`.

    Plain HTTP is accepted to this machine only: it would show keys' signatures and objects to the network.
    """
    endpoints: dict[Region, str] = {}
    for item in (item.strip() for item in text.split(",") if item.strip()):
        region, equals, url = item.partition("=")
        parts = urlsplit(url)
        if not equals or parts.scheme not in {"http", "https"} or not parts.hostname:
            raise InvalidInputError(
                f"{item!r} is no endpoint", hint="SKYSTORE_ENDPOINTS=aws:eu-central-1=https://host:port,…"
            )
        if parts.scheme == "http" and not _is_loopback(parts.hostname):
            raise InvalidInputError(
                f"{url} would show keys and objects to the network",
                hint="use https, or an address of this machine",
            )
        endpoints[parse_region(region)] = url.rstrip("/")
    return endpoints


def choose_endpoint(region: Region, endpoints: dict[Region, str]) -> str:
    """Return where the store of `region` is: as given, else AWS's endpoint of that name."""
    given = endpoints.get(region)
    if given:
        return given
    if region.cloud == "aws":
        return f"https://s3.{region.name}.amazonaws.com"
    raise InvalidInputError(
        f"the endpoint of {region} is not known", hint=f"set SKYSTORE_ENDPOINTS={region}=https://host:port"
    )


def choose_bucket(prefix: str, region: Region) -> str:
    """Return the physical bucket of `region`: `<prefix>-<region>`."""
    return parse_bucket_name(f"{prefix}-{region.name}")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
