"""A policy as a person writes it: TOML or JSON, for the whole continuum, a bucket, a prefix or a tag.

Rules that are more specific win field by field: an override with more tags before one with fewer, then the
longer prefix, then the later one; then the bucket's own fields, then those of the continuum, then the
defaults. What is not known is refused, never ignored.
"""

import functools
import tomllib
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, TypeVar

import msgspec

from continuum.model.documents import describe_json_problem
from continuum.model.errors import InvalidInputError
from continuum.model.policies.amounts import parse_duration
from continuum.model.policies.prices import LinkPrice, Prices, SiteFacts, check_prices
from continuum.model.sites import parse_site_name

MAX_COPIES = 64
MAX_OVERRIDES = 1000
DEFAULT_TTL = "24h"


class Placing(StrEnum):
    """Where copies are made without being asked for by a read."""

    WRITE_LOCAL = "write_local"  # where it was written
    HOME = "home"  # at the bucket's home
    PUSH = "push"  # where it was written, and at the named sites
    REPLICATE_ALL = "replicate_all"  # at every site
    SINGLE_REGION = "single_region"  # at the one named site and, in the end, nowhere else


class Reading(StrEnum):
    """Which replica a read takes first."""

    CLOSEST = "closest"
    CHEAPEST = "cheapest"
    FASTEST = "fastest"


class Keeping(StrEnum):
    """For how long a copy that a read left is kept after it was last read."""

    NONE = "none"
    ALWAYS = "always"
    FIXED_TTL = "fixed_ttl"
    T_EVEN = "t_even"
    HISTOGRAM = "histogram"
    COMBINED = "combined"


class Admission(StrEnum):
    """At which read of a remote object a copy is made at the earliest."""

    FIRST = "first"
    SECOND_HIT = "second_hit"


class Disconnected(StrEnum):
    """What a gateway that cannot reach the hub does with the requests for a bucket."""

    REFUSE = "refuse"
    ACCEPT = "accept"


class Requirement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """So many copies at sites with these attributes."""

    where: dict[str, str]
    copies: int = 1


class CacheRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """At sites with these attributes a read leaves a copy, for so long after it was last read."""

    where: dict[str, str]
    ttl: str


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a policy can say; what it leaves out (None) is as a less specific one says."""

    placement: Placing | None = None
    sites: tuple[str, ...] | None = None
    copies: int | None = None
    at_least: tuple[Requirement, ...] | None = None
    reading: Reading | None = None
    keeping: Keeping | None = None
    ttl: str | None = None
    admission: Admission | None = None
    cache: tuple[CacheRule, ...] | None = None


class Override(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule for the objects of a bucket whose key begins with `prefix` and that have all of `tags`."""

    prefix: str = ""
    tags: dict[str, str] = {}


class BucketPolicy(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The policy of a bucket. `disconnected` is for the bucket as a whole."""

    disconnected: Disconnected | None = None
    overrides: tuple[Override, ...] = ()


class ContinuumPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What holds for all buckets unless they say otherwise; what sites are, and what things cost."""

    policy: Rule = Rule()
    prices: Prices = Prices()
    sites: dict[str, SiteFacts] = {}
    links: tuple[LinkPrice, ...] = ()

    def full_prices(self) -> Prices:
        """The price list with all that is said of sites and links beside it."""
        return msgspec.structs.replace(
            self.prices, sites={**self.prices.sites, **self.sites}, links=(*self.links, *self.prices.links)
        )


class Effective(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for one object, with nothing left open. `origins` names who said what."""

    placement: Placing = Placing.WRITE_LOCAL
    sites: tuple[str, ...] = ()
    copies: int = 1
    at_least: tuple[Requirement, ...] = ()
    reading: Reading = Reading.CLOSEST
    keeping: Keeping = Keeping.NONE
    ttl: str = DEFAULT_TTL
    admission: Admission = Admission.FIRST
    cache: tuple[CacheRule, ...] = ()
    origins: dict[str, str] = {}


Document = TypeVar("Document", BucketPolicy, ContinuumPolicy, Prices)

_RULE_FIELDS = Rule.__struct_fields__


def parse_bucket_policy(data: bytes, *, is_toml: bool = False) -> BucketPolicy:
    """Read and check the policy of a bucket. Raises `InvalidInputError` that names the field."""
    document = _decode(data, BucketPolicy, is_toml=is_toml)
    if len(document.overrides) > MAX_OVERRIDES:
        raise InvalidInputError(f"a policy has at most {MAX_OVERRIDES} overrides")
    check_rule(document, "the bucket's policy")
    seen: set[tuple[str, tuple[tuple[str, str], ...]]] = set()
    for override in document.overrides:
        where = (override.prefix, tuple(sorted(override.tags.items())))
        if where == ("", ()):
            raise InvalidInputError("an override needs a prefix or tags")
        if where in seen:
            raise InvalidInputError(f"two overrides for {describe_override(override)}")
        seen.add(where)
        check_rule(override, describe_override(override))
    return document


def parse_continuum_policy(data: bytes, *, is_toml: bool = False) -> ContinuumPolicy:
    """Read and check the policy of the continuum. Raises `InvalidInputError` that names the field."""
    document = _decode(data, ContinuumPolicy, is_toml=is_toml)
    check_rule(document.policy, "the continuum's policy")
    check_prices(document.full_prices())
    return document


def parse_prices(data: bytes, *, is_toml: bool = False) -> Prices:
    """Read and check a price list. Raises `InvalidInputError` that names the field."""
    prices = _decode(data, Prices, is_toml=is_toml)
    check_prices(prices)
    return prices


@functools.lru_cache(maxsize=1024)
def read_bucket_policy(document: bytes) -> BucketPolicy:
    """Return the policy that was checked and stored before; an empty document says nothing."""
    return parse_bucket_policy(document) if document else BucketPolicy()


@functools.lru_cache(maxsize=16)
def read_continuum_policy(document: bytes) -> ContinuumPolicy:
    """Return the policy that was checked and stored before; an empty document says nothing."""
    return parse_continuum_policy(document) if document else ContinuumPolicy()


def format_policy(document: BucketPolicy | ContinuumPolicy) -> bytes:
    """Return the JSON of what a document says, without what it leaves out."""
    return msgspec.json.encode(_without_unsaid(msgspec.to_builtins(document)))


def _without_unsaid(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_unsaid(each) for name, each in value.items() if each is not None}
    if isinstance(value, list | tuple):
        return [_without_unsaid(each) for each in value]
    return value


def _decode(data: bytes, kind: type[Document], *, is_toml: bool) -> Document:
    try:
        plain = tomllib.loads(data.decode()) if is_toml else msgspec.json.decode(data)
        return msgspec.convert(plain, kind)
    except (tomllib.TOMLDecodeError, msgspec.MsgspecError, UnicodeError, RecursionError) as problem:
        said = problem if is_toml else describe_json_problem(data, problem)
        raise InvalidInputError(f"the policy cannot be read: {said}") from problem


# ---- checks ----


def check_rule(rule: Rule, what: str) -> None:
    """Raise `InvalidInputError` for what contradicts itself."""
    for problem in _find_problems(rule):
        raise InvalidInputError(f"{what}: {problem}", hint="docs/policies.md describes each field")


def _find_problems(rule: Rule) -> Iterator[str]:
    for site in rule.sites or ():
        parse_site_name(site)
    if len(set(rule.sites or ())) != len(rule.sites or ()):
        yield "a site is named twice"
    if rule.placement is Placing.PUSH and not rule.sites:
        yield "placement = push needs sites"
    if rule.placement is Placing.SINGLE_REGION and len(rule.sites or ()) != 1:
        yield "placement = single_region needs exactly one site in sites"
    if rule.sites and rule.placement not in {Placing.PUSH, Placing.SINGLE_REGION}:
        yield "sites are for placement = push or single_region"
    yield from _find_count_problems(rule)
    yield from _find_ttl_problems(rule)


def _find_count_problems(rule: Rule) -> Iterator[str]:
    counts = [rule.copies or 1, *(each.copies for each in rule.at_least or ())]
    if rule.copies == 0 or any(not 1 <= count <= MAX_COPIES for count in counts):
        yield f"copies are 1 to {MAX_COPIES}"
    if not all([each.where for each in rule.at_least or ()] + [each.where for each in rule.cache or ()]):
        yield "`where` names at least one attribute of sites"
    if rule.placement is Placing.SINGLE_REGION and max(counts) > 1:
        yield "single_region means one copy"


def _find_ttl_problems(rule: Rule) -> Iterator[str]:
    for ttl in (rule.ttl, *(each.ttl for each in rule.cache or ())):
        if ttl is not None and parse_duration(ttl) <= 0:
            yield "a ttl is longer than nothing"
    if rule.keeping is Keeping.FIXED_TTL and rule.ttl is None:
        yield "keeping = fixed_ttl needs a ttl"
    if rule.ttl is not None and rule.keeping is not Keeping.FIXED_TTL:
        yield "a ttl is for keeping = fixed_ttl"


# ---- what holds for one object ----


def describe_override(override: Override) -> str:
    """Say in words which objects an override is for."""
    tags = ", ".join(f"{name}={value}" for name, value in sorted(override.tags.items()))
    parts = [f"prefix {override.prefix!r}"] if override.prefix else []
    return "the override for " + " and ".join(parts + ([f"tags {tags}"] if tags else []))


def resolve(
    bucket: BucketPolicy,
    continuum: ContinuumPolicy,
    *,
    key: str,
    tags: Mapping[str, str] | None = None,
    default: Effective | None = None,
) -> Effective:
    """Return what holds for an object; see the module for who wins."""
    layers: list[tuple[str, Rule]] = [("the continuum", continuum.policy), ("the bucket", bucket)]
    layers += [(describe_override(each), each) for each in _find_overrides(bucket, key, tags or {})]
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for origin, rule in layers:
        for name in _RULE_FIELDS:
            value = getattr(rule, name)
            if value is not None:
                values[name], origins[name] = value, origin
        if rule.placement is not None and rule.sites is None:
            values.pop("sites", None)  # sites belong to the placement that named them
    return msgspec.structs.replace(default or Effective(), **values, origins=origins)


def _find_overrides(bucket: BucketPolicy, key: str, tags: Mapping[str, str]) -> list[Override]:
    """The overrides that concern an object, the most specific last."""
    matching = [
        each for each in bucket.overrides if key.startswith(each.prefix) and each.tags.items() <= tags.items()
    ]
    return sorted(matching, key=lambda each: (len(each.tags), len(each.prefix)))
