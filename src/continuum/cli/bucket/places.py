"""From what is named on the command line to the two ends of a transfer: which endpoint, with which keys.

The name space is read through the gateway of the bucket's home site, where its bytes most likely are, or
through that of a third site when the links say that this way is better; it is written through the gateway of
the site that is named (first: the home of the bucket), whose store then gets the bytes. Other stores come
from a file of stores (as for `continuum store add --file`), from `--endpoint`, or, for one that was added,
from the locator; their keys always by reference, because nobody but gateways is told the secrets of stores.
"""

import os
from collections.abc import Collection
from pathlib import Path

import msgspec

from continuum.backbone import Backbone
from continuum.cli.asking import ask
from continuum.model.errors import ConflictError, InvalidInputError, NotFoundError
from continuum.model.objects import Store
from continuum.model.paths import Path as SitePath
from continuum.model.paths import Preference, choose_path, find_paths
from continuum.model.sites import Link
from continuum.model.transfers import MAX_LANES, Place, PlaceKind
from continuum.sites import Home, list_sites
from continuum.store import (
    BucketEnd,
    Buckets,
    DescribeStores,
    FolderEnd,
    ListBuckets,
    LocatorClient,
    PoolLimits,
    StoreClient,
    StoreConfiguration,
    StoreDescriptions,
    read_store_file,
    resolve_store,
)

STORES_FILE = "stores.toml"
_ELSEWHERE = "elsewhere"
_LIMITS = PoolLimits(connections=MAX_LANES + 8, wait_s=60.0, reply_s=120.0, idle_s=4.0)


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """How ends are reached, as options say it."""

    site: str = ""
    endpoint: str = ""
    credentials: str = ""
    region: str = "us-east-1"
    addressing: str = "path"
    ca_file: str = ""
    stores_file: Path | None = None
    preference: Preference = Preference.FASTEST


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What a running continuum knows: homes of buckets by name, added stores, links."""

    homes: dict[str, str] = {}
    stores: StoreDescriptions = StoreDescriptions(stores=())
    links: tuple[Link, ...] = ()


class Ends(msgspec.Struct, frozen=True, kw_only=True):
    """Both ends, and the path between their sites if the links are known. `through`: sites whose gateways
    are used."""

    source: BucketEnd | FolderEnd
    target: BucketEnd | FolderEnd
    path: SitePath | None = None
    through: tuple[str, ...] = ()


def look_around(home: Home, places: tuple[Place, Place]) -> Surroundings:
    """Ask a running continuum for what these places need; ask nobody if that is nothing."""
    kinds = {place.kind for place in places}
    if PlaceKind.NAME_SPACE not in kinds and not (PlaceKind.STORE in kinds and home.continuum_file.exists()):
        return Surroundings()

    async def question(backbone: Backbone) -> Surroundings:
        locator = LocatorClient(backbone)
        buckets: Buckets = await locator.ask(ListBuckets())
        return Surroundings(
            homes={each.name: each.home for each in buckets.buckets},
            stores=await locator.ask(DescribeStores()),
            links=(await list_sites(backbone)).links,
        )

    return ask(home, question)


async def open_ends(home: Home, places: tuple[Place, Place], named: Named, around: Surroundings) -> Ends:
    """Open both ends of a transfer. Raises `ContinuumError`s that say what is not there."""
    source, target = places
    if source == target:
        raise ConflictError(f"{source} would be copied onto itself")
    site_of_target = _site_of(target, named, around)
    gateways = [site.name for site in home.continuum().sites] if around.links else []
    path = find_path(source, site_of_target, named, around, gateways)
    through = path.relay if path is not None else ""
    reader = _open(home, source, named, around, through=through)
    try:
        reader, name = await _narrow(reader, source)
        writer = _open(home, target, named, around, through="")
    except BaseException:
        await reader.close()
        raise
    sites = (
        [_gateway_site(home, source, named, around, through)] if source.kind is PlaceKind.NAME_SPACE else []
    )
    if target.kind is PlaceKind.NAME_SPACE:
        sites.append(_gateway_site(home, target, named, around, ""))
    ends = Ends(source=reader, target=_aim(writer, target, name), path=path, through=tuple(sites))
    await _require_bucket(ends.target, target)
    return ends


async def open_source(home: Home, place: Place, named: Named, around: Surroundings) -> BucketEnd:
    """Open a place of the name space, to read what it has."""
    end, _ = await _narrow(_open(home, place, named, around, through=""), place)
    if not isinstance(end, BucketEnd):
        raise InvalidInputError(f"{place} is not a bucket")
    return end


# ---- sites and paths ----


def _site_of(place: Place, named: Named, around: Surroundings) -> str:
    if place.kind is PlaceKind.NAME_SPACE:
        return named.site or around.homes.get(place.bucket, "")
    return next((store.site for store in around.stores.stores if store.name == place.store), "")


def find_path(
    source: Place, target_site: str, named: Named, around: Surroundings, gateways: Collection[str]
) -> SitePath | None:
    """Return the best path from the site of `source`, directly or over the gateway of a third site; None if
    the links are not known or both ends are at one site."""
    is_name_space = source.kind is PlaceKind.NAME_SPACE
    source_site = around.homes.get(source.bucket, "") if is_name_space else _site_of(source, named, around)
    if not source_site or not target_site or source_site == target_site:
        return None
    paths = find_paths(around.links, source_site, target_site)
    relays = gateways if is_name_space else ()  # what lies in another store is not passed on by gateways
    possible = [path for path in paths if not path.relay or path.relay in relays]
    return choose_path(possible, 1e9, named.preference)


def _gateway_site(home: Home, place: Place, named: Named, around: Surroundings, through: str) -> str:
    sites = home.continuum().sites
    wanted = through or named.site or around.homes.get(place.bucket, "")
    known = [site.name for site in sites]
    if named.site and named.site not in known:
        raise NotFoundError(f"there is no site {named.site}", hint=f"sites: {', '.join(known)}")
    return wanted if wanted in known else known[0]


# ---- opening ----


def _open(
    home: Home, place: Place, named: Named, around: Surroundings, *, through: str
) -> BucketEnd | FolderEnd:
    match place.kind:
        case PlaceKind.FOLDER:
            return FolderEnd(Path(place.path))
        case PlaceKind.STORE:
            store = _find_store(home, place.store, named, around)
            return BucketEnd(StoreClient(store, limits=_LIMITS), place.bucket, place.prefix)
    site = _gateway_site(home, place, named, around, through)
    address = next(each for each in home.continuum().sites if each.name == site)
    access_key, secret_key = home.credentials()
    gateway = Store(
        name=f"the gateway of {site}",
        site=site,
        endpoint=address.gateway_url,
        region="us-east-1",
        bucket="",
        access_key=access_key,
        secret_key=secret_key,
    )
    ca_file = home.ca_file if home.ca_file.exists() else None
    return BucketEnd(StoreClient(gateway, limits=_LIMITS, ca_file=ca_file), place.bucket, place.prefix)


def _find_store(home: Home, name: str, named: Named, around: Surroundings) -> Store:
    file = named.stores_file or home.path / STORES_FILE
    if not named.endpoint and (named.stores_file is not None or file.exists()):
        configured = read_store_file(file).get(name)
        if configured is not None:
            return resolve_store(name, configured, os.environ)
    endpoint, region, addressing = named.endpoint, named.region, named.addressing
    added = next((store for store in around.stores.stores if store.name == name), None)
    if not endpoint and added is not None:
        endpoint, region, addressing = added.endpoint, added.region, added.addressing
    if not endpoint:
        raise NotFoundError(
            f"it is not known where the store {name} is",
            hint=f"describe it in {file} ([stores.{name}]), or give --endpoint and --credentials",
        )
    if not named.credentials:
        raise InvalidInputError(
            f"the keys of the store {name} are not given",
            hint="--credentials file:PATH, env:PREFIX or profile:NAME",
        )
    wanted = StoreConfiguration(
        endpoint=endpoint,
        site=_ELSEWHERE,
        credentials=named.credentials,
        region=region,
        addressing=addressing,
        ca_file=named.ca_file,
    )
    return resolve_store(name, wanted, os.environ)


# ---- one object, or all under a prefix ----


async def _narrow(end: BucketEnd | FolderEnd, place: Place) -> tuple[BucketEnd | FolderEnd, str]:
    """Return the source, and the name of the one object if it is one."""
    if isinstance(end, FolderEnd):
        return _narrow_folder(end)
    if place.prefix and not place.prefix.endswith("/"):
        one = BucketEnd(end.client, place.bucket, place.prefix, exact=True)
        if await one.describe("") is not None:
            return one, place.prefix.rpartition("/")[2]
    return end, ""


def _narrow_folder(end: FolderEnd) -> tuple[FolderEnd, str]:
    if end.root.is_file():
        return FolderEnd(end.root, exact=True), end.root.name
    if not end.root.is_dir():
        raise NotFoundError(f"there is no file or folder {end.root}")
    return end, ""


def _aim(end: BucketEnd | FolderEnd, place: Place, name: str) -> BucketEnd | FolderEnd:
    """Return the target of one object: a place that ends with / or is a folder keeps its name."""
    if not name:
        return end
    if isinstance(end, FolderEnd):
        keeps_name = place.path.endswith("/") or end.root.is_dir()
        return FolderEnd(end.root / name if keeps_name else end.root, exact=True)
    keeps_name = not place.prefix or place.prefix.endswith("/")
    prefix = place.prefix + name if keeps_name else place.prefix
    return BucketEnd(end.client, place.bucket, prefix, exact=True)


async def _require_bucket(end: BucketEnd | FolderEnd, place: Place) -> None:
    if isinstance(end, BucketEnd) and not await end.has_bucket():
        await end.close()
        raise NotFoundError(
            f"there is no bucket {place.bucket}", hint="create it first: aws s3 mb, for example"
        )
