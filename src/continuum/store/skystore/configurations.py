"""What a client or the server of Sky Store is told: options, then the configuration file, then the
environment. Pure.

The keys and variables are Sky Store's own (EXTRACT D4.2, section 6.2.2). Unlike there, every key counts
(`policy` and `server_addr` too), and one that is not known is an error.
"""

from collections.abc import Mapping

import msgspec

from continuum.model.documents import describe_json_problem
from continuum.model.errors import InvalidInputError
from continuum.store.skystore.policies import RegionPolicy, choose_policy
from continuum.store.skystore.regions import (
    Region,
    choose_bucket,
    choose_endpoint,
    parse_endpoints,
    parse_region,
    parse_regions,
)

SERVER_PORT = 3000
GATEWAY_PORT = 8002
DEFAULT_SERVER = "127.0.0.1"


class ConfigurationFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The JSON file of `skystore init --config FILE`."""

    init_regions: tuple[str, ...] = ()
    client_from_region: str = ""
    skystore_bucket_prefix: str = ""
    policy: str = ""
    server_addr: str = ""


class Keys(msgspec.Struct, frozen=True, kw_only=True):
    """A pair of keys. The secret is in no repr."""

    access_key: str
    secret_key: str

    def __repr__(self) -> str:
        return f"Keys(access_key={self.access_key!r})"


class ClientConfiguration(msgspec.Struct, frozen=True, kw_only=True):
    """All that a client needs to know. `endpoint` empty: a store of its own on this machine (`--local`)."""

    regions: tuple[Region, ...]
    region: Region
    bucket: str
    policy: RegionPolicy
    server: tuple[str, int]
    endpoint: str
    store_keys: Keys | None
    client_keys: Keys


class ServerConfiguration(msgspec.Struct, frozen=True, kw_only=True):
    """All that the server needs to know: the regions that may join."""

    regions: tuple[Region, ...]


def parse_configuration(data: bytes, source: str) -> ConfigurationFile:
    """Return the configuration in `data` (JSON). Raises `InvalidInputError` that names file and key."""
    try:
        return msgspec.json.decode(data, type=ConfigurationFile)
    except msgspec.MsgspecError as problem:
        keys = ", ".join(ConfigurationFile.__struct_fields__)
        raise InvalidInputError(
            f"{source}: {describe_json_problem(data, problem)}", hint=f"the keys are {keys}"
        ) from problem


def resolve_client(
    file: ConfigurationFile,
    environment: Mapping[str, str],
    *,
    policy: str = "",
    server_addr: str = "",
    is_local: bool = False,
) -> ClientConfiguration:
    """Return what a client is to do. Raises `InvalidInputError` that says what is missing or wrong."""
    regions = parse_regions(file.init_regions or environment.get("INIT_REGIONS", "").split(","))
    region = parse_region(
        file.client_from_region or environment.get("CLIENT_FROM_REGION", "") or _missing("client_from_region")
    )
    if region not in regions:
        raise InvalidInputError(
            f"{region} is not one of the regions {', '.join(map(str, regions))}",
            hint='"client_from_region" must be one of "init_regions"',
        )
    prefix = (
        file.skystore_bucket_prefix
        or environment.get("SKYSTORE_BUCKET_PREFIX", "")
        or _missing("skystore_bucket_prefix")
    )
    chosen = choose_policy(policy or file.policy or environment.get("POLICY", ""), regions)
    server = parse_server(server_addr or file.server_addr or environment.get("SERVER_ADDR", ""))
    endpoints = parse_endpoints(environment.get("SKYSTORE_ENDPOINTS", ""))
    store_keys = _keys(environment, "AWS")
    client_keys = _keys(environment, "SKY") or store_keys
    if client_keys is None or (store_keys is None and not is_local):
        raise InvalidInputError(
            "the keys of the object store are not set",
            hint="export AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=…; clients use the same pair, "
            "or SKY_ACCESS_KEY_ID and SKY_SECRET_ACCESS_KEY if these are set",
        )
    return ClientConfiguration(
        regions=regions,
        region=region,
        bucket=choose_bucket(prefix, region),
        policy=chosen,
        server=server,
        endpoint="" if is_local else choose_endpoint(region, endpoints),
        store_keys=store_keys,
        client_keys=client_keys,
    )


def resolve_server(environment: Mapping[str, str], *, init_regions: str = "") -> ServerConfiguration:
    """Return what the server is to do. Raises `InvalidInputError`."""
    return ServerConfiguration(
        regions=parse_regions((init_regions or environment.get("INIT_REGIONS", "")).split(","))
    )


def parse_server(text: str) -> tuple[str, int]:
    """Return host and port of `host` or `host:port`; the port is 3000 if none is given."""
    host, colon, port = text.strip().rpartition(":") if ":" in text else (text.strip(), "", "")
    if colon and not port.isdecimal():
        raise InvalidInputError(f"{text!r} is no address of a server", hint="HOST or HOST:PORT")
    return host or DEFAULT_SERVER, int(port or SERVER_PORT)


def _keys(environment: Mapping[str, str], kind: str) -> Keys | None:
    access_key = environment.get(f"{kind}_ACCESS_KEY_ID", "")
    secret_key = environment.get(f"{kind}_SECRET_ACCESS_KEY", "")
    if bool(access_key) != bool(secret_key):
        raise InvalidInputError(f"only one of {kind}_ACCESS_KEY_ID and {kind}_SECRET_ACCESS_KEY is set")
    return Keys(access_key=access_key, secret_key=secret_key) if access_key else None


def _missing(key: str) -> str:
    variable = key.upper()
    raise InvalidInputError(
        f"{key} is not given", hint=f'add "{key}" to the configuration file, or set {variable}'
    )
