"""Stores that a person adds: from options or from a TOML or JSON file, keys by reference.

A reference says where the keys are, so that no secret stands on a command line or in a file that is shared:
`file:PATH` (JSON with `access_key` and `secret_key`, or an AWS credentials file), `env:PREFIX` (the variables
`PREFIX_ACCESS_KEY_ID` and `PREFIX_SECRET_ACCESS_KEY`) or `profile:NAME` (of the AWS credentials file). They
are read once, where the command runs, travel over TLS and are sealed in the locator's database.
"""

import configparser
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from continuum.model.documents import describe_json_problem
from continuum.model.errors import InvalidInputError, NotFoundError
from continuum.model.objects import Store
from continuum.model.sites import parse_site_name
from continuum.store.gateway.settings import is_loopback
from continuum.store.stores.pools import parse_endpoint

ADDRESSINGS = ("path", "virtual")
MAX_FILE_BYTES = 1024 * 1024
STORE_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kKMGTP]?i?)B?")
_UNITS = {"": 0, "k": 1, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5}


class StoreConfiguration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One store of a file, under `stores.NAME`.

    `site` is the site that it is near to and whose gateways look after it. `bucket` may stay empty: then
    nothing is written to the store but to buckets that are attached. `ca_file` verifies an endpoint with a
    private authority. `capacity` is like `500 GB` or `2 TiB`; empty: not limited.
    """

    endpoint: str
    site: str
    credentials: str
    region: str = "us-east-1"
    addressing: str = "path"
    bucket: str = ""
    ca_file: str = ""
    capacity: str = ""


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    stores: dict[str, StoreConfiguration]


class StoreKeys(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A pair of keys. The secret is in no repr."""

    access_key: str
    secret_key: str

    def __repr__(self) -> str:
        return f"StoreKeys(access_key={self.access_key!r})"


def read_store_file(path: Path) -> dict[str, StoreConfiguration]:
    """Return the stores that a TOML or JSON file describes, by name. Raises `InvalidInputError`."""
    data = _read(path.expanduser(), "the stores")
    try:
        if path.suffix == ".json":
            return msgspec.json.decode(data, type=_File).stores
        return msgspec.convert(tomllib.loads(data.decode()), type=_File).stores
    except (msgspec.MsgspecError, tomllib.TOMLDecodeError, UnicodeError) as problem:
        keys = ", ".join(StoreConfiguration.__struct_fields__)
        said = describe_json_problem(data, problem) if path.suffix == ".json" else problem
        raise InvalidInputError(f"{path}: {said}", hint=f"[stores.NAME] with {keys}") from problem


def resolve_store(name: str, wanted: StoreConfiguration, environment: Mapping[str, str]) -> Store:
    """Return the store with its keys. Raises `InvalidInputError`, `NotFoundError` with a hint."""
    check_store_name(name)
    if wanted.addressing not in ADDRESSINGS:
        raise InvalidInputError(f"there is no addressing {wanted.addressing!r}", hint="path or virtual")
    _check_endpoint(wanted.endpoint)
    keys = resolve_keys(wanted.credentials, environment)
    ca_pem = _read(Path(wanted.ca_file).expanduser(), "the authority").decode() if wanted.ca_file else ""
    return Store(
        name=name,
        site=parse_site_name(wanted.site),
        endpoint=wanted.endpoint.rstrip("/"),
        region=wanted.region,
        bucket=wanted.bucket,
        access_key=keys.access_key,
        secret_key=keys.secret_key,
        ca_pem=ca_pem,
        addressing=wanted.addressing,
        capacity_bytes=parse_size(wanted.capacity),
        is_added=True,
    )


def check_store_name(name: str) -> None:
    """Raise `InvalidInputError` for what cannot name a store."""
    if not STORE_NAME.fullmatch(name):
        raise InvalidInputError(
            f"{name!r} cannot name a store", hint="use 1 to 63 lower-case letters, digits, dots and dashes"
        )


def _check_endpoint(endpoint: str) -> None:
    parse_endpoint(endpoint)
    parts = urlsplit(endpoint)
    if parts.scheme not in {"http", "https"}:
        raise InvalidInputError(
            f"{endpoint!r} cannot be reached from other sites", hint="https://host[:port]"
        )
    if parts.username or parts.password:
        raise InvalidInputError("keys do not belong into an endpoint", hint="use --credentials")
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise InvalidInputError(
            f"{endpoint} would show objects to the network", hint="use https; plain HTTP is for loopback only"
        )


def resolve_keys(reference: str, environment: Mapping[str, str]) -> StoreKeys:
    """Return the keys that a reference names. Raises `InvalidInputError`, `NotFoundError`."""
    kind, _, rest = reference.partition(":")
    if kind == "file" and rest:
        return _keys_of_file(Path(rest).expanduser())
    if kind == "env" and rest:
        return _keys_of_environment(rest, environment)
    if kind == "profile" and rest:
        return _keys_of_profile(_credentials_file(environment), rest)
    raise InvalidInputError(
        "credentials are given by reference, never as such",
        hint="file:PATH, env:PREFIX (PREFIX_ACCESS_KEY_ID, PREFIX_SECRET_ACCESS_KEY) or profile:NAME",
    )


def _credentials_file(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials")).expanduser()


def _keys_of_file(path: Path) -> StoreKeys:
    data = _read(path, "the credentials")
    if not data.lstrip().startswith(b"{"):
        return _keys_of_profile(path, "default")
    try:
        return msgspec.json.decode(data, type=StoreKeys)
    except msgspec.MsgspecError as problem:
        raise InvalidInputError(
            f"{path} holds no keys", hint='{"access_key": "…", "secret_key": "…"}'
        ) from problem


def _keys_of_environment(prefix: str, environment: Mapping[str, str]) -> StoreKeys:
    names = f"{prefix}_ACCESS_KEY_ID", f"{prefix}_SECRET_ACCESS_KEY"
    missing = [name for name in names if not environment.get(name)]
    if missing:
        raise NotFoundError(f"{' and '.join(missing)} is not set", hint="export it for this command")
    if environment.get(f"{prefix}_SESSION_TOKEN"):
        raise InvalidInputError(
            f"{prefix}_SESSION_TOKEN is set: temporary keys would end while the store is in use",
            hint="give the keys of a user made for continuum",
        )
    return StoreKeys(access_key=environment[names[0]], secret_key=environment[names[1]])


def _keys_of_profile(path: Path, profile: str) -> StoreKeys:
    parser = configparser.ConfigParser(interpolation=None, default_section="")
    try:
        parser.read_string(_read(path, "the credentials").decode())
    except (configparser.Error, UnicodeError):
        raise InvalidInputError(f"{path} is no AWS credentials file") from None  # the text may hold secrets
    if not parser.has_section(profile):
        raise NotFoundError(f"{path} has no profile {profile!r}", hint=f"add [{profile}] with its two keys")
    section = parser[profile]
    if section.get("aws_session_token"):
        raise InvalidInputError(f"the profile {profile!r} has temporary keys", hint="use lasting ones")
    try:
        return StoreKeys(access_key=section["aws_access_key_id"], secret_key=section["aws_secret_access_key"])
    except KeyError as problem:
        raise NotFoundError(f"the profile {profile!r} of {path} has no {problem.args[0]}") from None


def _read(path: Path, what: str) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as problem:
        raise InvalidInputError(f"cannot read {what} {path}: {problem.strerror}") from problem
    if len(data) > MAX_FILE_BYTES:
        raise InvalidInputError(f"{path} is larger than {MAX_FILE_BYTES} bytes")
    return data


def parse_size(text: str) -> int:
    """Return a size like `500 GB` or `2TiB` in bytes; 0 for nothing. Raises `InvalidInputError`."""
    if not text.strip():
        return 0
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise InvalidInputError(f"{text!r} is no size", hint="like 500 GB or 2 TiB")
    unit = match[2]
    base = 1024 if unit.endswith("i") else 1000
    return int(float(match[1]) * base ** _UNITS[unit.rstrip("i")])
