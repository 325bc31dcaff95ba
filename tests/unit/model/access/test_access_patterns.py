"""Wildcards of policies."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from continuum.model.access.patterns import matches


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("*", "", True),
        ("a*", "a", True),
        ("a*a", "a", False),
        ("a*a", "aa", True),
        ("a?c", "abc", True),
        ("a?c", "ac", False),
        ("*b*d", "abcd", True),
        ("*b*d", "abc", False),
        ("arn:aws:s3:::b/*.jpg", "arn:aws:s3:::b/x/y.jpg", True),
        ("arn:aws:s3:::b/*", "arn:aws:s3:::b", False),
        ("a.c", "abc", False),
        ("*", "two\nlines", True),
    ],
)
def test_a_pattern_describes_whole_texts(pattern: str, text: str, expected: bool) -> None:
    assert matches(pattern, text) is expected


@given(st.text("ab*?", max_size=8), st.text("ab", max_size=10))
def test_patterns_mean_what_the_naive_expression_means(pattern: str, text: str) -> None:
    naive = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    assert matches(pattern, text) is (re.fullmatch(naive, text, re.DOTALL) is not None)


def test_many_stars_do_not_take_for_ever() -> None:
    started_at = time.monotonic()
    assert not matches("*a" * 400 + "b", "a" * 1024)
    assert time.monotonic() - started_at < 1


def test_a_variable_is_taken_literally() -> None:
    assert matches("home/${aws:username}/*", "home/ann/x", {"aws:username": "ann"})
    assert not matches("home/${aws:username}/*", "home/bob/x", {"aws:username": "*"})
    assert matches("home/${aws:username}/*", "home/*/x", {"aws:username": "*"})
    assert not matches("home/${aws:username}/*", "home//x", {})
    assert matches("${*}${aws:Username}", "*ann", {"aws:username": "ann"})
    assert matches("${aws:username}", "${aws:username}", None)
