"""Keys as paths and back: one-to-one, whatever the key, and never out of the bucket's folder."""

import os

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from continuum.store.directories.keys import (
    MAX_NAME_BYTES,
    escape_key,
    is_writable_as_xml,
    read_name,
    split_key,
    unescape_key,
)

_TEXT = st.text(
    st.one_of(st.sampled_from("/.%=a\n\0é\u0301"), st.characters(exclude_categories=("Cs",))), min_size=1
)
KEYS = _TEXT.filter(lambda key: len(key.encode()) <= 1024)


@settings(max_examples=200)
@given(KEYS)
@example("..")
@example("a/../b")
@example("." * 700)
@example("%" * 400)
def test_an_escaped_key_comes_back_and_its_names_are_good_for_any_file_system(key: str) -> None:
    names = escape_key(key)
    assert unescape_key(names) == key
    for name in names:
        assert name not in {"", ".", ".."}
        assert "/" not in name
        assert "\0" not in name
        assert name.isascii()
        assert len(name) <= MAX_NAME_BYTES


@settings(max_examples=200)
@given(KEYS, KEYS)
def test_no_file_of_an_escaped_key_lies_in_the_way_of_another(one: str, other: str) -> None:
    first, second = escape_key(one), escape_key(other)
    assert (first == second) == (one == other)
    if one != other:
        assert second[: len(first)] != first


@settings(max_examples=200)
@given(KEYS)
@example("a//b")
@example("/a")
@example("a/")
@example("a/./b")
@example("x" * 256)
def test_a_path_is_its_key_and_stays_within_the_bucket(key: str) -> None:
    names = split_key(key)
    if names is None:
        return
    assert "/".join(names) == key
    assert os.path.normpath(f"/root/bucket/{key}") == f"/root/bucket/{key}"
    assert all(read_name(os.fsencode(name)) == name for name in names)


@pytest.mark.parametrize("key", ["", ".", "..", "a//b", "/a", "a/", "a/../b", "./a", "a\0b", "x" * 256])
def test_what_cannot_be_a_path_is_none(key: str) -> None:
    assert split_key(key) is None


@pytest.mark.parametrize("key", ["a", "a/b", "...", "a b", "é", "e\u0301", "x" * 255, "a\nb", ".continuum/x"])
def test_what_can_be_a_path_is_one(key: str) -> None:
    assert split_key(key) == tuple(key.split("/"))


def test_names_that_nobody_escaped_are_no_keys() -> None:
    for names in ((), ("a",), ("a=", "b="), ("%61=",), ("=",), ("%ff=",), ("a", "b=")):
        assert unescape_key(names) is None, names


def test_characters_that_xml_does_not_know_are_told() -> None:
    assert is_writable_as_xml("a\tb\r\nc é 🙂")
    assert not is_writable_as_xml("a\x01b")
    assert not is_writable_as_xml("\uffff")
