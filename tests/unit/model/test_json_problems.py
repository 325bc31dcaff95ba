"""Where JSON is wrong is told as editors count; other problems as they were found."""

import msgspec
import pytest

from continuum.model.documents import describe_json_problem


class Wanted(msgspec.Struct, forbid_unknown_fields=True):
    size: int = 0


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b'{\n  "size": 1\n  "size": 2\n}', "line 3, column 3: Expecting ',' delimiter"),
        (b"", "line 1, column 1"),
        (b'{"size": "one"}', "Expected `int`, got `str`"),
        (b'{"sise": 1}', "unknown field `sise`"),
        (b'{"size": "\xff"}', "Expected `int`"),
        (b"[" * 100_000, "Expected `object`"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(data: bytes, told: str) -> None:
    with pytest.raises(msgspec.MsgspecError) as caught:
        msgspec.json.decode(data, type=Wanted)
    assert told in describe_json_problem(data, caught.value)
