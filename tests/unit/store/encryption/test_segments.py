"""The format of encrypted bytes: against Tink's own, and against whoever changes stored bytes."""

import base64
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from continuum.model.encryption import (
    HEADER_BYTES,
    SEGMENT_BYTES,
    TAG_BYTES,
    Stream,
    opened_size,
    plan_read,
    sealed_size,
)
from continuum.store.encryption.segments import CorruptError, Opener, Sealer

KEY = bytes(range(32))
SEGMENT = 128
ROOM = SEGMENT - TAG_BYTES
FIRST = ROOM - HEADER_BYTES

# Made by tink 1.16.1 (`AesGcmHkdfStreamingKey`: SHA-256, derived key of 32 bytes, segments of 128 bytes) with
# `KEY`: size of the plain bytes, part number, stored bytes.
BY_TINK = [
    (0, 0, "KAclswQdPQEcwONh1bcHfkszzzFw/qmOZ3duZ0hEmmW8GCs5mONywEq64+6bfhDRReaSKFXATpY="),
    (1, 0, "KD+Me+E18aEFH3eW+jeppWC8o6k+smzbOUeBXefA5DwXat4Wwdrkt5ypjph+k6fNFKtsDAo6xunr"),
    (1, 7, "KK0DigC+0D8RelysfWfTNxfSZrl8Pj5uGvhMqU13GFKRbcTSLmImD4cMD1fXsIMIkydiOMqXWXAc"),
    (
        71,
        0,
        "KNfeUKqDUkgr7yCDEB2sT1zgClHdtSfI54/c1yWBGaZPooxvf2sp1nMqgDxYPesvDRNFZmPDgtW5SgNkGIWzmoSsYrWZNF36"
        "WeJNzzwKdamA1DvjUvWXKNJx0qJHDhjb3D80kObVInYu8fb1tb6YPE9OrfFceCSqSonP/H7k/g==",
    ),
    (
        72,
        0,
        "KAjDWHHPfX4YlZACj5RsEPRKQR81454frg8xdbsEKeDafz8F/rY9Gu68bxnBax32Yg2ABHCYEP0Ysap1F6Z4JV9/fFKEkCcw"
        "CBq5kUuTw52F9Zr1U4evHULGY8cMGf63J98pIcfcASf1Yk4l8TQ7SLgs+fQnrgVZBd3oRjoDXLQ=",
    ),
    (
        73,
        0,
        "KN11Rcy+AwVbip1xC25WCwjhpk0rxBUxZfireLUsV64vzCssU5946Hh+H5m0i+IWczQq53CE2pBC2zTabYgGLVIyGDg6uXQ6"
        "iFWmpA1oCdvq1wYrzorhMIutxXt4bxp334n8Knb0VBsQnqdRylJwvMOKBI89h8LEjhDmPQtylHborElH+uMD9ljYFAyhuPna"
        "Hg==",
    ),
    (
        184,
        0,
        "KBpKCKinNEbBjCkRw5CB3T6miU0tGY1mC9qNEhLv5eDWXD5l/lzjfkWcfe3X+j60j3Ug1JGMziWxymAnrh2jvAMSt/UoCJAj"
        "srC5yjyyzlvq2Pv9G2nON4+bRhGe+QzWa4Gnx6y+T/uRRFMhuzSSgbvoVVzHI9egq+NwhftPZjHumin2NAT+sz756Pdj9eMX"
        "6z+7dW2szcWwBeOn+r25wdBmLEEzdijdLX8Lk7e2QpG9+TxVZG0zTLWAPXf808u1Ym/8eG9JukYLkLZpbB+Cn1GC2Xcv36PO"
        "GWRP0lseXSRwblAh4uNHJ7XcPIfvNEGnN4aRD/fbe7jVmrVTw9ZG7Q==",
    ),
    (
        185,
        0,
        "KJvrE0MP+yhxlT+cNpylgFWZ3fKp4uI7bUgdmntZ3cZ6OVF17jhETa5eSJ2DhvpT5kJ/ianYpexio6RHM2oyzciAXDDOa9hV"
        "m6E1n6akw/LyfWlyvAHaMOfeYa9Tlu24ApHi23WjBk4Qg8qD62IwFc5oZjRB6lAEpGwVh0uoQKRaMM0mOV0hbsrKG8++1PJs"
        "56OQJvjfmbxPLN/DGUa/y+e0+7Stf/rvotQcq6rdQR8/Ulbez5/exs/T+elxtQ7theQwzz7cBMx4nkOCFByKA/JIkjK10MFJ"
        "gJIe0PgnSVYnYF6Su9m+kKq3t+dJPTI4sjU379eYLE58mN+gQPBU3cRorAfM4xZCmwf80kkSwZtC",
    ),
]


def plain_of(size_bytes: int) -> bytes:
    """The bytes that were given to Tink."""
    return bytes(index * 7 % 256 for index in range(size_bytes))


def seal(plain: bytes, part_number: int = 0, piece: int = 50) -> bytes:
    sealer = Sealer(KEY, part_number, segment_bytes=SEGMENT)
    pieces = [plain[at : at + piece] for at in range(0, len(plain), piece)]
    return b"".join([segment for each in pieces for segment in sealer.feed(each)] + [sealer.finish()])


def open_range(
    stored: bytes, streams: list[Stream], start: int, size: int, *, key: bytes = KEY, piece: int = 77
) -> bytes:
    """Read a range as a gateway does: only the stored bytes that the plan names, piece by piece."""
    plan = plan_read(streams, start, size, SEGMENT)
    wanted = stored[plan.stored_start : plan.stored_start + plan.stored_bytes]
    header = stored[plan.stream_start : plan.stream_start + HEADER_BYTES]
    opener = Opener(key, streams, plan, header=header, segment_bytes=SEGMENT)
    given = [bytes(p) for at in range(0, len(wanted), piece) for p in opener.feed(wanted[at : at + piece])]
    opener.finish()
    assert opener.verified_bytes == plan.stored_bytes
    return b"".join(given)


def open_whole(stored: bytes, size: int, part_number: int = 0, key: bytes = KEY) -> bytes:
    return open_range(stored, [Stream(part_number, size)], 0, size, key=key)


@pytest.mark.parametrize(("size", "part_number", "text"), BY_TINK)
def test_what_tink_sealed_opens(size, part_number, text):
    stored = base64.b64decode(text)
    assert len(stored) == sealed_size(size, SEGMENT)
    if size:
        assert open_whole(stored, size, part_number) == plain_of(size)
        with pytest.raises(CorruptError):
            open_whole(stored, size, part_number + 1)


@pytest.mark.parametrize("size", [0, 1, FIRST - 1, FIRST, FIRST + 1, FIRST + ROOM, FIRST + ROOM + 1, 1000])
def test_a_stream_has_the_size_that_is_reckoned_and_tells_its_plain_size(size):
    stored = seal(os.urandom(size))
    assert len(stored) == sealed_size(size, SEGMENT)
    assert opened_size(len(stored), SEGMENT) == size


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_every_range_of_an_object_in_parts_opens_from_the_segments_it_touches(data):
    sizes = data.draw(st.lists(st.integers(0, 400), min_size=1, max_size=4).filter(any))
    numbers = data.draw(st.permutations(range(1, len(sizes) + 1)))
    plain = [os.urandom(size) for size in sizes]
    streams = [Stream(number, size) for number, size in zip(numbers, sizes, strict=True)]
    stored = b"".join(seal(part, number) for part, number in zip(plain, numbers, strict=True))
    whole = b"".join(plain)
    start = data.draw(st.integers(0, len(whole) - 1))
    size = data.draw(st.integers(1, len(whole) - start))
    piece = data.draw(st.integers(1, 300))
    assert open_range(stored, streams, start, size, piece=piece) == whole[start : start + size]
    plan = plan_read(streams, start, size, SEGMENT)
    assert plan.stored_bytes <= size + 2 * SEGMENT + (HEADER_BYTES + TAG_BYTES) * (len(sizes) + size // ROOM)


def test_a_range_needs_no_more_than_two_further_segments():
    plan = plan_read([Stream(0, 10**9)], 500_000_000, 4096)
    assert plan.stored_bytes <= 2 * SEGMENT_BYTES
    assert plan.segment > 0


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_changed_bit_is_given_as_data(data):
    plain = os.urandom(data.draw(st.integers(1, 500)))
    stored = bytearray(seal(plain))
    place = data.draw(st.integers(0, len(stored) - 1))
    stored[place] ^= 1 << data.draw(st.integers(0, 7))
    plan = plan_read([Stream(0, len(plain))], 0, len(plain), SEGMENT)
    opener = Opener(KEY, [Stream(0, len(plain))], plan, segment_bytes=SEGMENT)
    given = b"".join(bytes(piece) for piece in opener.feed(stored))
    with pytest.raises(CorruptError):
        opener.finish()
    assert plain.startswith(given)  # what came before the change is right
    assert len(given) <= max(place - HEADER_BYTES, 0)


def test_segments_that_are_swapped_repeated_or_left_out_do_not_open():
    plain = os.urandom(FIRST + 3 * ROOM)
    stored = seal(plain)
    parts = [stored[at : at + SEGMENT] for at in range(0, len(stored), SEGMENT)]
    for order in ([0, 2, 1, 3], [0, 1, 1, 3], [0, 1, 3, 2], [1, 0, 2, 3]):
        with pytest.raises(CorruptError):
            open_whole(b"".join(parts[index] for index in order), len(plain))


def test_a_stream_that_was_cut_does_not_pass_for_a_whole_one():
    plain = os.urandom(FIRST + 2 * ROOM)
    stored = seal(plain)
    for cut in (SEGMENT, 2 * SEGMENT, len(stored) - 1):
        opener = Opener(
            KEY,
            [Stream(0, len(plain))],
            plan_read([Stream(0, len(plain))], 0, len(plain), SEGMENT),
            segment_bytes=SEGMENT,
        )
        opener.feed(stored[:cut])
        with pytest.raises(CorruptError):
            opener.finish()
    with pytest.raises(CorruptError):  # neither does one whose size was changed to fit
        open_whole(stored[: 2 * SEGMENT], FIRST + ROOM)


def test_parts_and_objects_do_not_stand_for_each_other():
    one, two = os.urandom(300), os.urandom(300)
    streams = [Stream(1, 300), Stream(2, 300)]
    assert open_range(seal(one, 1) + seal(two, 2), streams, 0, 600) == one + two
    for stored in (seal(two, 2) + seal(one, 1), seal(one, 1) + seal(one, 1), seal(one) + seal(two)):
        with pytest.raises(CorruptError):
            open_range(stored, streams, 0, 600)


def test_another_key_opens_nothing():
    with pytest.raises(CorruptError):
        open_whole(seal(b"some bytes"), 10, key=bytes(32))


def test_an_opener_goes_on_where_a_second_source_begins():
    plain = os.urandom(1000)
    stored = seal(plain)
    bad = bytearray(stored)
    bad[5 * SEGMENT] ^= 1
    plan = plan_read([Stream(0, 1000)], 0, 1000, SEGMENT)
    opener = Opener(KEY, [Stream(0, 1000)], plan, segment_bytes=SEGMENT)
    given = [bytes(piece) for piece in opener.feed(bad)]
    assert opener.problem is not None
    assert opener.feed(stored) == []  # nothing more until it is rewound
    opener.rewind()
    given += [bytes(piece) for piece in opener.feed(stored[opener.verified_bytes :])]
    opener.finish()
    assert b"".join(given) == plain


def test_a_sealer_holds_back_the_last_segment():
    sealer = Sealer(KEY, segment_bytes=SEGMENT)
    assert sealer.feed(bytes(FIRST)) == []
    assert len(b"".join(sealer.feed(b"x"))) == SEGMENT
    assert len(sealer.finish()) == 1 + TAG_BYTES


def test_equal_bytes_are_sealed_differently():
    assert seal(b"same") != seal(b"same")
