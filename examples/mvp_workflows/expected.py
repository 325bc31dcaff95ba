"""What the workflows of §6.1 must give, computed without them: the check of the demonstrator.

Written on bytes and `struct` and not on lists of numbers, so that a mistake in `imaging` is not repeated
here.
"""

import struct

ADDED_AND_SUBTRACTED = {1: (0x0101, 0x0010), 2: (0x1000, 0x0001)}  # by workflow 1 and by workflow 2


def expected_texts(image: str, added: int, subtracted: int) -> tuple[str, str]:
    """Return the hexadecimal and the decimal result for the text of an image."""
    raw = bytes.fromhex(image)
    sums = [2 * hextet + added - subtracted for (hextet,) in struct.iter_unpack(">H", raw) if hextet]
    wrapped = struct.pack(f">{len(sums)}H", *(value & 0xFFFF for value in sums))
    rows = [wrapped[start : start + 16] for start in range(0, len(wrapped), 16)]
    hexadecimal = "".join(row.hex(" ", 2) + "\n" for row in rows)
    decimal = "".join(
        " ".join(str(value) for value in struct.unpack(f">{len(row) // 2}H", row)) + "\n" for row in rows
    )
    return hexadecimal, decimal
