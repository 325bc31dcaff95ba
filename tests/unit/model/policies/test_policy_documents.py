"""Policies as people write them: read strictly, the most specific wins."""

import pytest

from continuum.model.errors import InvalidInputError
from continuum.model.policies.amounts import format_duration, format_size, parse_duration, parse_size
from continuum.model.policies.documents import (
    Admission,
    BucketPolicy,
    ContinuumPolicy,
    Effective,
    Keeping,
    Placing,
    Reading,
    format_policy,
    parse_bucket_policy,
    parse_continuum_policy,
    parse_prices,
    read_bucket_policy,
    resolve,
)

WHOLE = b"""
placement = "push"
sites = ["cloud"]
copies = 2
reading = "cheapest"
keeping = "combined"
admission = "second_hit"
at_least = [{ copies = 1, where = { region = "EU" } }]
cache = [{ where = { site = "edge" }, ttl = "7d" }]

[[overrides]]
prefix = "raw/"
placement = "write_local"

[[overrides]]
prefix = "raw/hot/"
keeping = "always"

[[overrides]]
tags = { class = "gold" }
placement = "replicate_all"
"""


def test_a_document_says_everything_in_toml_and_keeps_it_in_json() -> None:
    document = parse_bucket_policy(WHOLE, is_toml=True)
    assert document.placement is Placing.PUSH
    assert document.cache is not None
    assert document.cache[0].ttl == "7d"
    assert parse_bucket_policy(format_policy(document)) == document
    assert b"null" not in format_policy(document)
    assert read_bucket_policy(b"") == BucketPolicy()


@pytest.mark.parametrize(
    ("key", "tags", "placement", "keeping", "origin"),
    [
        ("a", {}, Placing.PUSH, Keeping.COMBINED, "the bucket"),
        ("raw/a", {}, Placing.WRITE_LOCAL, Keeping.COMBINED, "the override for prefix 'raw/'"),
        ("raw/hot/a", {}, Placing.WRITE_LOCAL, Keeping.ALWAYS, "the override for prefix 'raw/'"),
        (
            "raw/a",
            {"class": "gold"},
            Placing.REPLICATE_ALL,
            Keeping.COMBINED,
            "the override for tags class=gold",
        ),
        ("raw/a", {"class": "tin"}, Placing.WRITE_LOCAL, Keeping.COMBINED, "the override for prefix 'raw/'"),
    ],
)
def test_the_most_specific_rule_wins_field_by_field(
    key: str, tags: dict[str, str], placement: Placing, keeping: Keeping, origin: str
) -> None:
    found = resolve(parse_bucket_policy(WHOLE, is_toml=True), ContinuumPolicy(), key=key, tags=tags)
    assert (found.placement, found.keeping, found.origins["placement"]) == (placement, keeping, origin)
    assert (found.sites == ("cloud",)) is (placement is Placing.PUSH)
    assert found.admission is Admission.SECOND_HIT


def test_the_continuum_holds_where_a_bucket_says_nothing() -> None:
    continuum = parse_continuum_policy(
        b'[policy]\nreading = "fastest"\nkeeping = "fixed_ttl"\nttl = "1h"\n[sites.edge]\ncapacity = "10GB"',
        is_toml=True,
    )
    found = resolve(BucketPolicy(keeping=Keeping.NONE), continuum, key="a")
    assert (found.reading, found.keeping) == (Reading.FASTEST, Keeping.NONE)
    assert continuum.full_prices().sites["edge"].capacity_bytes == 10_000_000_000
    assert resolve(BucketPolicy(), ContinuumPolicy(), key="a") == Effective()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("placment = 'home'", "placment"),
        ("placement = 'everywhere'", "everywhere"),
        ("placement = 'push'", "needs sites"),
        ("placement = 'single_region'\nsites = ['a', 'b']", "exactly one site"),
        ("placement = 'home'\nsites = ['a']", "sites are for"),
        ("placement = 'push'\nsites = ['a', 'a']", "twice"),
        ("placement = 'push'\nsites = ['A b']", "cannot name a site"),
        ("copies = 0", "copies are"),
        ("copies = 65", "copies are"),
        ("copies = 'two'", "int"),
        ("at_least = [{ copies = 1, where = {} }]", "at least one attribute"),
        ("placement = 'single_region'\nsites = ['a']\ncopies = 2", "one copy"),
        ("keeping = 'fixed_ttl'", "needs a ttl"),
        ("keeping = 'always'\nttl = '1h'", "is for keeping"),
        ("keeping = 'fixed_ttl'\nttl = 'soon'", "no duration"),
        ("keeping = 'fixed_ttl'\nttl = '0s'", "longer than nothing"),
        ("[[overrides]]\nplacement = 'home'", "a prefix or tags"),
        ("[[overrides]]\nprefix = 'a'\n[[overrides]]\nprefix = 'a'", "two overrides"),
        ("copies = ", "cannot be read"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_reason(text: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        parse_bucket_policy(text.encode(), is_toml=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("transfer_eur_per_gb = -1", "not negative"),
        ("[sites.edge]\nhigh_water = 0.5\nlow_water = 0.6", "low_water"),
        ("[sites.edge]\ncapacity = '0'", "nothing"),
        ("[sites.edge.attributes]\nsite = 'x'", "its name"),
        ("[[links]]\nsource = 'A'\ntarget = 'b'\neur_per_gb = 1.0", "cannot name"),
        ("[sites.edge]\nregion = 'EU'", "region"),
    ],
)
def test_prices_that_make_no_sense_are_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        parse_prices(text.encode(), is_toml=True)


def test_amounts_are_read_and_written() -> None:
    assert [parse_duration(text) for text in ("90s", "1.5h", "7d")] == [90, 5400, 604_800]
    assert [parse_size(text) for text in ("1024", "64MiB", "1.5 GB")] == [1024, 67_108_864, 1_500_000_000]
    assert (format_duration(5400), format_size(1.5e9)) == ("1.5 h", "1.5 GB")
