"""Cross-origin rules."""

import pytest

from continuum.model.cors import CorsRule, check_rules, find_rule, format_cors_headers
from continuum.model.errors import InvalidInputError

RULE = CorsRule(
    origins=("https://*.example.org", "http://a"), methods=("GET", "PUT"), headers=("x-amz-*", "Range")
)


@pytest.mark.parametrize(
    ("origin", "method", "headers", "allowed"),
    [
        ("https://www.example.org", "GET", (), True),
        ("https://.example.org", "GET", (), True),
        ("https://example.org", "GET", (), False),
        ("https://www.example.org.evil.net", "GET", (), False),
        ("http://a", "PUT", ("X-Amz-Date", "range"), True),
        ("http://a", "PUT", ("authorization",), False),
        ("http://a", "DELETE", (), False),
        ("http://ab", "GET", (), False),
        ("HTTP://A", "GET", (), False),
    ],
)
def test_a_rule_fits_origin_method_and_headers(
    origin: str, method: str, headers: tuple[str, ...], allowed: bool
) -> None:
    assert (find_rule([RULE], origin, method, headers) is RULE) is allowed


def test_the_first_rule_that_fits_decides() -> None:
    everybody = CorsRule(origins=("*",), methods=("GET",), max_age_s=5, exposed=("ETag",))
    assert find_rule([RULE, everybody], "http://a", "GET") is RULE
    assert find_rule([RULE, everybody], "http://b", "GET") is everybody
    assert "Access-Control-Allow-Credentials" not in format_cors_headers(everybody, "http://b")
    assert format_cors_headers(everybody, "http://b")["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize(
    "rules",
    [
        (),
        (RULE,) * 101,
        (CorsRule(origins=("*",), methods=("PATCH",)),),
        (CorsRule(origins=("*.*",), methods=("GET",)),),
        (CorsRule(origins=("*",), methods=("GET",), headers=("**",)),),
        (CorsRule(origins=("*",), methods=("GET",), exposed=("a\r\nb",)),),
    ],
)
def test_rules_that_s3_does_not_take_are_refused(rules: tuple[CorsRule, ...]) -> None:
    with pytest.raises(InvalidInputError):
        check_rules(rules)
