"""What people type about the workers of a run: numbers, sizes, variables, volumes, profiles. Pure."""

import re
from collections.abc import Iterable

from continuum.model.errors import InvalidInputError
from continuum.model.policies.amounts import parse_size
from continuum.model.pools import USUAL, PoolRequest, Toleration, Volume, WorkerProfile
from continuum.model.scaling import parse_limits
from continuum.model.sites import SITE_NAME

MOST_UNITS = 1024
MOST_VARIABLES = 256
MOST_PATH_BYTES = 1024

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_OBJECT = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_./-]{0,251}[A-Za-z0-9])?")
_IMAGE = re.compile(r"[a-z0-9][A-Za-z0-9._/:@-]{0,254}")
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


def make_request(
    *,
    workers: str = "",
    units: int = 0,
    memory: str = "",
    image: str = "",
    environment: Iterable[str] = (),
    volumes: Iterable[str] = (),
    profile: str = "",
) -> PoolRequest:
    """Return what these words of a command line ask for. Raises `InvalidInputError`.

    `workers` as in `scaling.parse_limits`, `memory` as in `2G`, variables as in `NAME=VALUE`, volumes as in
    `parse_volume`.
    """
    limits = parse_limits(workers) if workers else None
    if not 0 <= units <= MOST_UNITS:
        raise InvalidInputError(f"{units} computing units cannot be one worker", hint=f"at most {MOST_UNITS}")
    if image and not _IMAGE.fullmatch(image):
        raise InvalidInputError(f"{image[:80]!r} is no name of an image", hint="as in localhost/mine:1")
    if profile and not SITE_NAME.fullmatch(profile):
        raise InvalidInputError(f"{profile[:80]!r} is no name of a profile")
    return PoolRequest(
        least=limits.least if limits else 0,
        most=limits.most if limits else 0,
        idle_s=limits.idle_s if limits and ":" in workers else 0.0,
        units=units,
        memory_bytes=parse_size(memory) if memory else 0,
        image=image,
        environment=parse_variables(environment),
        volumes=tuple([parse_volume(each) for each in volumes]),
        profile=profile,
    )


def parse_variables(texts: Iterable[str]) -> dict[str, str]:
    """Return what `NAME=VALUE` texts say. Raises `InvalidInputError`, which shows no value."""
    found: dict[str, str] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator or not _VARIABLE.fullmatch(name):
            raise InvalidInputError(f"{name[:40]!r} is no variable with a value", hint="as in NAME=VALUE")
        found[name] = value
    if len(found) > MOST_VARIABLES:
        raise InvalidInputError(f"{len(found)} variables are too many", hint=f"at most {MOST_VARIABLES}")
    return found


def parse_volume(text: str) -> Volume:
    """Return the volume that `claim:NAME:/path[:ro]`, `config:NAME:/path` or `empty:SIZE:/path` means."""
    kind, _, rest = text.partition(":")
    name, _, path = rest.partition(":")
    path, _, mode = path.partition(":")
    if kind not in {"claim", "config", "empty"} or mode not in {"", "ro", "rw"} or not _is_place(path):
        raise InvalidInputError(
            f"{text[:80]!r} is no volume",
            hint="claim:NAME:/path, claim:NAME:/path:ro, config:NAME:/path or empty:SIZE:/path",
        )
    if kind == "empty":
        return Volume(kind="empty", path=path, size_bytes=parse_size(name))
    if not _OBJECT.fullmatch(name):
        raise InvalidInputError(f"{name[:80]!r} is no name of a {kind}", hint="as in claim:data:/data")
    is_read_only = kind == "config" or mode == "ro"
    return Volume(
        kind="config" if kind == "config" else "claim", name=name, path=path, is_read_only=is_read_only
    )


def parse_profile(text: str) -> WorkerProfile:
    """Return the profile that a text means, as in `name=big,units=4,memory=8G,gpus=1,selector=disk:ssd`.

    Further: `cpu=0.5` (cores, where a unit is not one), `taint=KEY[:VALUE[:EFFECT]]` (tolerated),
    `label=NAME:VALUE`, `price=EUR_PER_HOUR`, `image=IMAGE`, `most=N`, `spot`. `selector`,
    `taint` and `label` may be there more than once. Raises `InvalidInputError`.
    """
    said: dict[str, list[str]] = {}
    for part in text.split(","):
        key, _, value = part.strip().partition("=")
        if key not in _PARTS or (not value and key != "spot") or (key in said and key not in _MANY):
            raise InvalidInputError(
                f"{part[:80]!r} says nothing about a profile",
                hint=f"once each: {', '.join(sorted(_PARTS - _MANY))}; or {', '.join(sorted(_MANY))}",
            )
        said.setdefault(key, []).append(value)
    one = {key: values[0] for key, values in said.items()}
    name, image = one.get("name", USUAL), one.get("image", "")
    if not SITE_NAME.fullmatch(name):
        raise InvalidInputError(f"{name[:80]!r} is no name of a profile")
    if image and not _IMAGE.fullmatch(image):
        raise InvalidInputError(f"{image[:80]!r} is no name of an image")
    return WorkerProfile(
        name=name,
        units=_whole(one.get("units", "1"), 1, MOST_UNITS),
        memory_bytes=parse_size(one.get("memory", "1G")),
        cpu_millis=round(1000 * _amount(one.get("cpu", "0"), "number of cores")),
        gpus=_whole(one.get("gpus", "0"), 0, 64),
        labels=dict(_pair(each) for each in said.get("label", ())),
        node_selector=dict(_pair(each) for each in said.get("selector", ())),
        tolerations=tuple([_toleration(each) for each in said.get("taint", ())]),
        price_eur_per_h=_amount(one.get("price", "0"), "price"),
        image=image,
        is_spot="spot" in said,
        most=_whole(one.get("most", "0"), 0, 1024),
    )


_MANY = frozenset({"label", "selector", "taint"})
_PARTS = _MANY | {"name", "units", "memory", "cpu", "gpus", "price", "image", "spot", "most"}


def _is_place(path: str) -> bool:
    parts = path.split("/")
    return path.startswith("/") and len(path) > 1 and ".." not in parts and len(path) <= MOST_PATH_BYTES


def _whole(text: str, least: int, most: int) -> int:
    if not re.fullmatch(r"[0-9]{1,6}", text) or not least <= int(text) <= most:
        raise InvalidInputError(f"{text[:40]!r} is no number from {least} to {most}")
    return int(text)


def _amount(text: str, what: str) -> float:
    if not re.fullmatch(r"[0-9]{1,6}(?:\.[0-9]{1,6})?", text):
        raise InvalidInputError(f"{text[:40]!r} is no {what}", hint="a number such as 0.35")
    return float(text)


def _pair(text: str) -> tuple[str, str]:
    name, separator, value = text.partition(":")
    if not separator or not _LABEL.fullmatch(name) or not _LABEL.fullmatch(value):
        raise InvalidInputError(f"{text[:80]!r} is no name with a value", hint="as in disk:ssd")
    return name, value


def _toleration(text: str) -> Toleration:
    key, _, rest = text.partition(":")
    value, _, effect = rest.partition(":")
    if not _LABEL.fullmatch(key) or (value and not _LABEL.fullmatch(value)):
        raise InvalidInputError(f"{text[:80]!r} is no taint", hint="KEY, KEY:VALUE or KEY:VALUE:NoSchedule")
    for known in _EFFECTS:
        if effect == known:
            return Toleration(key=key, value=value, effect=known)  # type: ignore[arg-type]
    if effect:
        raise InvalidInputError(f"{effect[:40]!r} is no effect of a taint", hint=", ".join(_EFFECTS))
    return Toleration(key=key, value=value)
