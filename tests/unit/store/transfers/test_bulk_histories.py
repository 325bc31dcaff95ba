"""Which versions of a key are to be sent: the end of a history, or nothing if the target has another one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from continuum.store.stores.s3 import StoredVersion
from continuum.store.transfers.histories import plan_history

MD5S = ("a" * 32, "b" * 32)


def version(etag: str = MD5S[0], size_bytes: int = 1, *, is_marker: bool = False) -> StoredVersion:
    return StoredVersion(key="k", version_id="v", etag=etag, size_bytes=size_bytes, is_marker=is_marker)


ONE, OTHER, GONE = version(), version(MD5S[1]), version("", 0, is_marker=True)
HISTORIES = st.lists(st.sampled_from([ONE, OTHER, GONE, version(f"{'c' * 32}-2", 9)]), max_size=6)


@given(HISTORIES, HISTORIES)
def test_what_is_missing_at_the_end_is_sent_and_nothing_else(there: list, more: list) -> None:
    assert plan_history(there + more, there) == more


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ([ONE], [OTHER]),
        ([ONE], [ONE, ONE]),
        ([ONE, OTHER], [OTHER]),
        ([ONE], [GONE]),
        ([], [ONE]),
        ([ONE], [version(size_bytes=2)]),
    ],
)
def test_another_history_is_left_alone(source: list, target: list) -> None:
    assert plan_history(source, target) is None


def test_etags_that_are_no_md5_are_not_compared() -> None:
    assert plan_history([ONE, OTHER], [version("x-2")]) == [OTHER]
