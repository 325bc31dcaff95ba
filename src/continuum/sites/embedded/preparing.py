"""Preparing a home for `continuum up`: what was chosen before, what is asked now, what the machine allows.

What is kept over restarts: the sites' names and ports in `continuum.json`, the secrets of each store in its
site's folder, authority and identities. Everything else is written anew from the plan at each start.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from continuum.model.errors import ConflictError, InvalidInputError, NotFoundError, UnavailableError
from continuum.model.policies import Policy
from continuum.model.sites import NO_COSTS, NO_OFFERS, SiteCosts, SiteKind, SiteOffers, parse_site_name
from continuum.security import create_identity
from continuum.sites.embedded.declaring import choose_costs, choose_links
from continuum.sites.embedded.listening import choose_listen
from continuum.sites.embedded.offering import choose_offers
from continuum.sites.embedded.plans import EmbeddedSettings, EmbeddedSite, default_links
from continuum.sites.embedded.seaweedfs import ensure_store_secrets
from continuum.sites.embedded.stores import choose_stores, is_directory, port_names
from continuum.sites.homes import Continuum, Home
from continuum.sites.hubs import resolve_url
from continuum.sites.joining.joined import list_joined
from continuum.sites.ports import choose_free_ports, claim_port, find_port_holder, is_port_free
from continuum.sites.supervision.folders import choose_run_folder, find_binary
from continuum.store import ensure_master_keys

DEFAULT_HUB_PORT = 3000
DEFAULT_GATEWAY_PORT = 8002  # of the first site; the next ones follow
MIN_FREE_BYTES = 512 * 1024 * 1024  # a store refuses writes below 256 MiB
MAX_SITES = 16
MAX_HUBS = 8
Tell = Callable[[str], None]


class UpOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What `continuum up` is asked for. Empty or None: as it was before, else the default; port 0: a free
    one.
    """

    sites: tuple[str, ...] = ()
    hub_port: int | None = None
    gateway_ports: tuple[int, ...] = ()
    policy: str = ""
    profile: str = ""
    stores: tuple[str, ...] = ()
    database: str = ""
    hubs: int | None = None
    costs: tuple[str, ...] = ()
    offers: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    listen: tuple[str, ...] = ()


def prepare(home: Home, options: UpOptions, tell: Tell) -> EmbeddedSettings:
    """Return the settings for a start of `home`; chosen ports and secrets are new or as before.

    `tell` is called with what a person should know. Raises `ContinuumError` with a hint when something is
    missing or taken. Nothing is running yet when it returns.
    """
    if home.deployed_hub_file.exists():
        raise ConflictError(
            f"the hub of {home.path} is in a cluster", hint="another home for one on this machine: --home DIR"
        )
    nats_server = find_binary("nats-server")
    before = _find_before(home)
    names = _choose_sites(options, before)
    stores = choose_stores(
        options.stores,
        before.stores if before is not None else {},
        [site.name for site in before.sites] if before is not None else [],
        names,
    )
    hub_port, gateway_ports = _choose_outer_ports(options, before, names)
    database, hubs = _choose_database(options, before)
    costs = choose_costs(options.costs, before.costs if before is not None else {}, names)
    offers = choose_offers(options.offers, before.offers if before is not None else {}, names)
    links = choose_links(options.links, before.links if before is not None else (), default_links(names))
    listen = choose_listen(options.listen, before.listen if before is not None else ())
    inner = _list_inner_ports(stores, hubs, is_open=bool(listen))
    ports = _choose_inner_ports(before, inner, {hub_port, *gateway_ports}, tell)
    run_folder = choose_run_folder(home.path)
    create_identity(home.path, "hub", "hub")
    ensure_master_keys(home.master_keys_file)
    return EmbeddedSettings(
        name=home.path.name.removeprefix(".") or "continuum",
        home=home.path,
        run_folder=run_folder,
        profile=_choose_profile(options, before),
        policy=_choose_policy(options, before),
        sites=_describe_sites(home, stores, gateway_ports, costs, offers),
        hub_port=hub_port,
        ports=ports
        | {"hub": hub_port}
        | {f"gateway.{name}": port for name, port in zip(names, gateway_ports, strict=True)},
        python=Path(sys.executable),
        nats_server=nats_server,
        weed=Path("weed") if all(map(is_directory, stores.values())) else find_binary("weed"),
        ca_pem=home.ca_file.read_text(),
        environment=inherit_environment(os.environ, home),
        database=database,
        hubs=hubs,
        links=links,
        listen=listen,
        joined=tuple(site.name for site in list_joined(home)),
        drivers=home.list_drivers(),
    )


def _find_before(home: Home) -> Continuum | None:
    try:
        return home.continuum()
    except NotFoundError:
        return None


def _choose_sites(options: UpOptions, before: Continuum | None) -> tuple[str, ...]:
    earlier = tuple(site.name for site in before.sites) if before is not None else ("edge", "cloud")
    names = tuple(parse_site_name(name) for name in options.sites or earlier)
    if len(set(names)) != len(names):
        raise InvalidInputError(f"a site is named twice: {', '.join(names)}")
    dropped = [name for name in earlier if name not in names] if before is not None else []
    if dropped:
        raise InvalidInputError(
            f"this continuum has the sites {', '.join(earlier)}: without {', '.join(dropped)} the objects "
            "that lie only there could not be read",
            hint="name them too, or begin another continuum with --home",
        )
    if len(names) > MAX_SITES:
        raise InvalidInputError(f"{len(names)} sites are too many for one machine", hint="at most 16")
    return names


def _choose_profile(options: UpOptions, before: Continuum | None) -> str:
    profile = options.profile or (before.profile if before is not None else "development")
    if profile not in {"development", "release"}:
        raise InvalidInputError(f"there is no profile {profile!r}", hint="development or release")
    return profile


def _choose_policy(options: UpOptions, before: Continuum | None) -> Policy:
    policy = options.policy or (before.policy if before is not None else Policy.WRITE_LOCAL)
    try:
        return Policy(policy)
    except ValueError as problem:
        raise InvalidInputError(
            f"there is no policy {policy!r}", hint=f"one of {', '.join(Policy)}"
        ) from problem


def _choose_database(options: UpOptions, before: Continuum | None) -> tuple[str, int]:
    """Return where the URL of the database is (empty: SQLite in the home), and how many hubs share it."""
    earlier = before.database if before is not None else ""
    database = options.database or earlier
    if before is not None and database != earlier:
        raise InvalidInputError(
            f"this continuum has its index in {earlier or 'SQLite'}",
            hint="another database begins empty: `continuum store backup`, then `restore` into the other one",
        )
    if database:
        resolve_url(database)
    hubs = options.hubs or (before.hubs if before is not None else 1)
    if not 1 <= hubs <= MAX_HUBS:
        raise InvalidInputError(f"{hubs} hubs are not 1 to {MAX_HUBS}")
    if hubs > 1 and not database:
        raise InvalidInputError(
            "several hubs need a database that they can share", hint="--database file:PATH, of PostgreSQL"
        )
    return database, hubs


def _choose_outer_ports(
    options: UpOptions, before: Continuum | None, names: tuple[str, ...]
) -> tuple[int, list[int]]:
    earlier = dict(before.ports) if before is not None else {}
    if options.gateway_ports and len(options.gateway_ports) != len(names):
        raise InvalidInputError(
            f"{len(names)} sites need {len(names)} gateway ports, not {len(options.gateway_ports)}",
            hint="--gateway-ports takes one port per site, in the order of --sites",
        )
    wanted = {"hub": earlier.get("hub", DEFAULT_HUB_PORT) if options.hub_port is None else options.hub_port}
    for index, name in enumerate(names):
        key = f"gateway.{name}"
        wanted[key] = (
            options.gateway_ports[index]
            if options.gateway_ports
            else earlier.get(key, DEFAULT_GATEWAY_PORT + index)
        )
    _check_outer_ports(wanted)
    chosen = {port for port in wanted.values() if port}
    for key in (key for key, port in wanted.items() if port == 0):
        wanted[key] = choose_free_ports(1, chosen)[0]
        chosen.add(wanted[key])
    return wanted["hub"], [wanted[f"gateway.{name}"] for name in names]


def _check_outer_ports(wanted: Mapping[str, int]) -> None:
    seen: dict[int, str] = {}
    for key, port in wanted.items():
        if not 0 <= port <= 65535:  # noqa: PLR2004 -- the range of ports
            raise InvalidInputError(f"{port} is not a port")
        if port and port in seen:
            raise InvalidInputError(f"{seen[port]} and {key} cannot both listen on port {port}")
        seen[port] = key
        if port and not is_port_free(port):
            raise port_taken(key, port)


def port_taken(owner: str, port: int) -> UnavailableError:
    """Return the error that says who holds the port of `owner`, and which option chooses another."""
    holder = find_port_holder(port)
    option = "--hub-port" if owner == "hub" else "--gateway-ports"
    return UnavailableError(
        f"port {port}, which {owner} needs, is in use" + (f" by {holder}" if holder else ""),
        hint=f"end that process, or choose another port with {option} (0 picks a free one)",
    )


def _list_inner_ports(stores: Mapping[str, str], hubs: int, *, is_open: bool) -> list[str]:
    return [
        "backbone",
        *(
            f"store.{name}.{port}"
            for name, kind in stores.items()
            for port in port_names(kind, is_open=is_open)
        ),
        *(f"hub.{number}" for number in range(2, hubs + 1)),
    ]


def _choose_inner_ports(
    before: Continuum | None, needed: Sequence[str], taken: set[int], tell: Tell
) -> dict[str, int]:
    earlier = dict(before.ports) if before is not None else {}
    missing = []
    for key in needed:
        port = earlier.get(key)
        if port is None or port in taken or not (claim_port(port) and is_port_free(port)):
            missing.append(key)
            if port is not None:
                holder = find_port_holder(port)
                tell(f"port {port} of {key} is taken{f' by {holder}' if holder else ''}: chose another one")
        else:
            taken.add(port)
    fresh = dict(zip(missing, choose_free_ports(len(missing), taken), strict=True))
    return earlier | fresh


def _describe_sites(
    home: Home,
    stores: Mapping[str, str],
    gateway_ports: list[int],
    costs: Mapping[str, SiteCosts],
    offers: Mapping[str, SiteOffers],
) -> tuple[EmbeddedSite, ...]:
    units = max(1, len(os.sched_getaffinity(0)) // len(stores))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // len(stores)
    return tuple(
        EmbeddedSite(
            name=name,
            kind=SiteKind.EMBEDDED.value,
            gateway_port=port,
            computing_units=offers.get(name, NO_OFFERS).computing_units or units,
            memory_bytes=memory,
            store=ensure_store_secrets(home.site_folder(name) / "store-secrets.json"),
            store_kind=kind,
            costs=costs.get(name, NO_COSTS),
            offers=offers.get(name, NO_OFFERS),
        )
        for (name, kind), port in zip(stores.items(), gateway_ports, strict=True)
    )


_PASSED_ON = frozenset({"CONTINUUM_GATEWAY_BLOCKS", "CONTINUUM_GATEWAY_BLOCKS_FOLDER"})


def inherit_environment(inherited: Mapping[str, str], home: Home) -> dict[str, str]:
    """Return what every process inherits: ours without credentials of other services, and our TLS
    settings.
    """
    kept = {
        name: value
        for name, value in inherited.items()
        if not name.startswith(("AWS_", "WEED_", "CONTINUUM_", "SKY_")) or name in _PASSED_ON
    }
    return kept | {
        "CONTINUUM_HOME": str(home.path),
        "OPENSSL_CONF": str(home.run_folder() / "openssl.cnf"),
        "PYTHONUNBUFFERED": "1",
    }
